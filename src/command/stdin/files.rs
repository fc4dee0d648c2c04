//! Files that hold what a standard input brought, and whether they run.

use super::super::feed::{descriptor, is_stdin};
use super::super::options::names_any;
use super::super::unwrap::is_shell;
use super::super::{Doubt, Redirection, Script, SimpleCommand, Word};
use super::detours::Takes;
use super::interpreters::is_interpreter;

/// The files that a script writes which may hold its standard input, or what runs that.
pub(super) struct Files<'a> {
    names: Vec<&'a str>,
    /// From which command on there may be others, whose names only the input tells.
    others: Option<usize>,
}

impl<'a> Files<'a> {
    /// Of the commands that take it in; with `is_kept`, what variables hold may be the input as well.
    pub(super) fn written(script: &'a Script, takes: Takes, is_kept: bool) -> Self {
        let commands = script.commands.iter().enumerate();
        let prints = |command: &SimpleCommand| is_kept && command.arguments().iter().any(|word| !word.constant);
        let is_of_input = |index: usize, command: &SimpleCommand| prints(command) || takes(script, index);
        let of_input = || commands.clone().filter(|(index, command)| is_of_input(*index, command));
        let mut files = Self {
            names: of_input().flat_map(|(_, command)| targets(command)).collect(),
            others: of_input().find(|(_, command)| unpacks(command)).map(|(index, _)| index),
        };
        files.follow_copies(script);
        files
    }

    /// Adds what files of the standard input, and shells, are copied to.
    fn follow_copies(&mut self, script: &'a Script) {
        for (index, command) in script.commands.iter().enumerate() {
            let is_source = |word: &Word| is_stdin(word) || self.has(&word.text) || is_path_of_shell(word);
            let is_copied = command.arguments().iter().any(is_source);
            match command.program() {
                _ if !is_copied => {}
                Some("mv" | "cp" | "ln" | "install") => {
                    let last = command.arguments().last();
                    self.names.extend(last.map(|word| word.text.as_str()));
                }
                Some(program) if COMPILING.contains(&program) => self.others = self.others.or(Some(index)),
                Some(_) => self.names.extend(targets(command)),
                None => {}
            }
        }
    }

    /// Whether a command of `script` runs one of them.
    pub(super) fn run_in(&self, script: &Script) -> bool {
        if self.names.is_empty() && self.others.is_none() {
            return false;
        }
        let is_opaque = |doubt: &Doubt| matches!(doubt, Doubt::Opaque | Doubt::DynamicProgram);
        let mut commands = script.commands.iter().enumerate();
        (script.doubts.iter().any(is_opaque) && script.commands.iter().any(|command| self.is_read_by(command)))
            || commands.any(|(index, command)| {
                let has_others = self.others.is_some_and(|first| first < index);
                self.run_by(command, script.commands.get(index + 1), has_others)
            })
    }

    /// Whether the name may be that of one of them, in whatever directory.
    fn has(&self, path: &str) -> bool {
        let name = base(path);
        let is_none = matches!(name, "" | "null" | "stdout" | "stderr" | "tty");
        !is_none && self.names.iter().any(|file| base(file) == name)
    }

    fn is_read_by(&self, command: &SimpleCommand) -> bool {
        let is_written = |name: &str| targets(command).contains(&name);
        let mut arguments = command.arguments().iter();
        arguments.any(|word| self.has(&word.text) && !is_written(&word.text))
            || command.redirections.iter().any(|input| self.is_input(input))
    }

    fn is_input(&self, redirection: &Redirection) -> bool {
        redirection.operator.starts_with('<') && self.has(&redirection.target.text)
    }

    /// Whether a command runs one of them: by name, as a script, as its input, or since a variable names it. What it wraps
    /// comes `next`.
    fn run_by(&self, command: &SimpleCommand, next: Option<&SimpleCommand>, has_others: bool) -> bool {
        let Some((first, arguments)) = command.words.split_first() else {
            return false;
        };
        let program = command.program().unwrap_or_default();
        let is_wrapped = next.is_some_and(|next| next.depth > command.depth);
        let reads_one = || command.redirections.iter().any(|input| self.is_input(input));
        let mut assigned = command.assignments.iter();
        self.has(&first.text)
            || (has_others && is_elsewhere(&first.text))
            || assigned.any(|assigned| self.has(&assigned.value.text))
            || self.has_default_of(program, has_others)
            || (runs_files(program) && arguments.iter().any(|word| self.may_be(word, has_others)))
            || ((runs_files(program) || is_wrapped) && reads_one())
    }

    /// Whether an operand of what runs files may be one of them.
    fn may_be(&self, word: &Word, has_others: bool) -> bool {
        let is_any = word.glob || !word.constant || matches!(word.text.as_str(), "{}" | ".");
        (is_any && (has_others || !self.names.is_empty()))
            || self.has(&word.text)
            || (has_others && !word.text.starts_with('-') && !word.text.contains(' '))
    }

    /// Whether one of them is what a program reads without being told.
    fn has_default_of(&self, program: &str, has_others: bool) -> bool {
        let is_written = |name: &str| self.names.iter().any(|file| base(file).eq_ignore_ascii_case(name));
        let defaults = DEFAULTS.iter().filter(|(programs, _)| programs.contains(&program));
        defaults
            .flat_map(|(_, files)| *files)
            .any(|file| has_others || is_written(file))
    }
}

/// What programs run of the directory that they are started in.
const DEFAULTS: &[(&[&str], &[&str])] = &[
    (&["make", "gmake"], &["makefile", "gnumakefile"]),
    (&["ninja"], &["build.ninja"]),
    (&["rake"], &["rakefile"]),
    (&["just"], &["justfile"]),
    (&["vagrant"], &["vagrantfile"]),
    (&["docker", "podman", "buildah"], &["dockerfile", "containerfile"]),
    (&["npm", "yarn", "pnpm"], &["package.json"]),
];

/// Programs beside shells and interpreters whose operands are programs.
const RUNNING: &[&str] = &[
    "source",
    ".",
    "make",
    "gmake",
    "at",
    "batch",
    "crontab",
    "run-parts",
    "insmod",
    "xargs",
    "parallel",
    "find",
    "awk",
    "gawk",
    "sed",
    "vim",
    "vi",
    "nvim",
    "ex",
    "gdb",
    "tmux",
    "screen",
    "ansible-playbook",
    "java",
    "go",
    "cargo",
    "ssh",
];

fn runs_files(program: &str) -> bool {
    RUNNING.contains(&program) || is_shell(program) || is_interpreter(program)
}

/// Whether a program is a file that may have been unpacked: none of those that the system brings.
fn is_elsewhere(path: &str) -> bool {
    let of_system = ["/bin/", "/sbin/", "/usr/", "/opt/", "/snap/", "/nix/", "/lib"];
    path.contains('/') && !of_system.iter().any(|prefix| path.starts_with(prefix))
}

/// Programs that make another of what they read.
const COMPILING: &[&str] = &[
    "as", "c++", "cc", "clang", "clang++", "g++", "gcc", "go", "javac", "ld", "rustc",
];

/// Languages whose programs write files of their own choice.
const WRITING: &[&str] = &["awk", "gawk", "python", "perl", "ruby", "node", "php", "lua"];

/// Whether a command unpacks, divides or compiles its standard input into files of whatever name.
fn unpacks(command: &SimpleCommand) -> bool {
    let arguments = command.arguments();
    let operands = || arguments.iter().filter(|word| !word.text.starts_with('-'));
    let is_named = || arguments.iter().any(is_stdin);
    let has_archive = || {
        arguments
            .iter()
            .enumerate()
            .any(|(at, word)| is_cluster(at, word) && word.text.contains('f'))
    };
    let is_writing = |program: &str| WRITING.iter().any(|name| program.starts_with(name));
    let writes = |word: &Word| [">", "open", "write"].iter().any(|mark| word.text.contains(mark));
    match command.program() {
        Some("tar" | "bsdtar" | "star") => is_named() || !has_archive(),
        Some("cpio" | "pax" | "patch" | "uudecode" | "ed" | "ex") => true,
        Some("split" | "csplit") => is_named() || operands().next().is_none_or(|word| word.text.parse::<u64>().is_ok()),
        Some("unzip" | "7z") => is_named(),
        Some("git") => names_any(arguments, &["apply", "am", "fast-import", "unpack-objects"]),
        Some(program) if COMPILING.contains(&program) => is_named(),
        Some(program) if is_writing(program) => arguments.iter().any(writes),
        _ => false,
    }
}

/// `xzf`, `-xzf`
fn is_cluster(at: usize, word: &Word) -> bool {
    (at == 0 || word.text.starts_with('-')) && !word.text.starts_with("--") || word.text.starts_with("--file")
}

fn is_path_of_shell(word: &Word) -> bool {
    word.text.contains('/') && is_shell(base(&word.text))
}

/// The files that a command writes.
fn targets(command: &SimpleCommand) -> Vec<&str> {
    let redirected = command
        .redirections
        .iter()
        .filter(|redirection| redirection.writes())
        .map(|redirection| redirection.target.text.as_str());
    let mut operands = command.arguments().iter().map(|word| word.text.as_str());
    let files: Vec<&str> = match command.program() {
        Some("tee" | "sponge" | "sort" | "uniq" | "gzip" | "xz" | "zstd") => redirected
            .chain(operands.filter(|word| !word.starts_with('-')))
            .collect(),
        Some("dd") => redirected
            .chain(operands.filter_map(|word| word.strip_prefix("of=")))
            .collect(),
        // `w FILE` in a script.
        Some("sed" | "gsed") => redirected
            .chain(operands.filter_map(|word| Some(word.split_once("w ")?.1)))
            .collect(),
        Some("install" | "cp") => redirected.chain(operands.next_back()).collect(),
        _ => redirected.collect(),
    };
    files.into_iter().filter(|file| descriptor(file).is_none()).collect()
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}
