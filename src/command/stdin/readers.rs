//! Programs that run what is on their standard input and are no shell: what is scored, what is unknown, and what is data.
//!
//! | standard input of | is | because |
//! | --- | --- | --- |
//! | `python3`, `perl`, `psql`, `redis-cli`, ... | a text, scored | it runs as the argument of the same call would ([`interpreters`](super::interpreters)) |
//! | `xargs`, `parallel` with a program | a text, scored | its words become that program's operands |
//! | `xargs` with a shell, `parallel` without a program | unknown | each line becomes a program of its own |
//! | the programs of [`READERS`] | unknown | they run it, in a language that is not read here |
//! | `cat`, `tee FILE`, `dd`, `tar`, `cpio`, `patch`, `git`, `rsync`, `docker load`, `kubectl apply -f -`, `chpasswd`, any other | data | it is kept, unpacked or describes a state; that this is done is told, and scored, by the command itself |

use super::super::feed::{descriptor, is_stdin};
use super::super::options::{cluster, has_flag, names_any, own_options};
use super::super::unwrap::is_shell;
use super::super::{Origin, Script, SimpleCommand, Word};
use super::{Interpreted, Stdin};

/// What a program that is no shell, and has no text of its own, runs of its standard input.
pub(super) fn read_by_program(command: &SimpleCommand, script: &Script, index: usize) -> Option<Stdin> {
    let program = command.program()?;
    if matches!(program, "xargs" | "gxargs" | "parallel") {
        return operands(command, script, index);
    }
    if may_be_interactive(program) && has_flag(own_options(command.arguments(), "cmWX"), "i", "cmWX") {
        return Some(Stdin::Unknown("standard input of an interactive interpreter"));
    }
    let reader = READERS.iter().find(|reader| reader.names.contains(&program))?;
    reader
        .when
        .holds(command.arguments())
        .then_some(Stdin::Unknown(reader.input))
}

/// Whether a program is an interpreter that reads its standard input with `-i`, behind a script of its own.
fn may_be_interactive(program: &str) -> bool {
    ["python", "pypy", "node", "lua"]
        .iter()
        .any(|name| program.starts_with(name))
}

/// Programs in whose language nothing is read here.
struct Reader {
    names: &'static [&'static str],
    when: When,
    /// How the record calls the input.
    input: &'static str,
}

/// When a program runs its standard input.
enum When {
    /// Where none of these is among its arguments.
    Unless(&'static [&'static str]),
    /// Where one of these is.
    With(&'static [&'static str]),
    /// Where it has no more operands than so many, or `-` for one.
    Bare(usize),
    /// Where it names `-` as a file.
    Named,
    /// Where it builds an image, and names `-` as a file.
    Build,
    /// Where `-` is the value of `-f` or of a long option of that kind.
    Program,
}

impl When {
    fn holds(&self, arguments: &[Word]) -> bool {
        match self {
            Self::Unless(words) => !names_any(arguments, words),
            Self::With(words) => names_any(arguments, words),
            Self::Build => names_any(arguments, &["build", "buildx", "bud"]) && arguments.iter().any(names_stdin),
            Self::Bare(most) => {
                let operands = arguments.iter().filter(|word| !word.text.starts_with('-'));
                operands.count() <= *most || arguments.iter().any(names_stdin)
            }
            Self::Named => arguments.iter().any(names_stdin),
            Self::Program => has_program_option(arguments),
        }
    }
}

const READERS: &[Reader] = &[
    Reader {
        names: &["make", "gmake"],
        when: When::Named,
        input: "standard input of make, a makefile",
    },
    Reader {
        names: &["awk", "gawk", "mawk", "nawk", "sed", "gsed"],
        when: When::Program,
        input: "standard input of awk or sed, its program",
    },
    Reader {
        names: &["crontab"],
        when: When::Unless(&["-l", "-r", "-e", "-V"]),
        input: "standard input of crontab, commands that run later",
    },
    Reader {
        names: &["vim", "vi", "nvim", "view", "vimdiff", "ex", "ed", "red", "emacs"],
        when: When::Unless(&["--version", "--help"]),
        input: "standard input of an editor, its commands",
    },
    Reader {
        names: &["gdb", "lldb", "debugfs", "crash"],
        when: When::Unless(&["-batch", "--batch", "--version", "--help"]),
        input: "standard input of a debugger, its commands",
    },
    Reader {
        names: &["ftp", "lftp", "sftp", "sqlplus", "isql", "beeline", "hive", "tftp"],
        when: When::Unless(&["-b", "-c", "-e", "-f"]),
        input: "standard input of a program that reads commands",
    },
    Reader {
        names: &["fdisk", "sfdisk", "gdisk", "cfdisk"],
        when: When::Unless(&["-l", "--list", "-d", "--dump", "-V", "--version"]),
        input: "standard input of a partitioning program, its commands",
    },
    Reader {
        names: &["parted"],
        when: When::Bare(1),
        input: "standard input of a partitioning program, its commands",
    },
    Reader {
        names: &["nft"],
        when: When::Program,
        input: "standard input of a packet filter, its commands",
    },
    Reader {
        names: &[
            "iptables-restore",
            "ip6tables-restore",
            "iptables-nft-restore",
            "ebtables-restore",
        ],
        when: When::Unless(&["--version", "--help"]),
        input: "standard input of a packet filter, its rules",
    },
    Reader {
        names: &["docker", "podman", "nerdctl", "buildah"],
        when: When::Build,
        input: "standard input of a build, its recipe",
    },
    Reader {
        names: &["docker-compose", "ansible-playbook", "rails", "bpftrace", "stap"],
        when: When::Named,
        input: "standard input of a program that runs a recipe",
    },
    Reader {
        names: &["systemctl", "tmux", "ipset", "tc"],
        when: When::With(&["--stdin", "-C", "-CC", "restore", "-b", "-batch"]),
        input: "standard input of a program that reads commands",
    },
    Reader {
        names: &[
            "irb",
            "pry",
            "ghci",
            "erl",
            "iex",
            "scala",
            "jshell",
            "groovysh",
            "octave",
            "sbcl",
            "guile",
            "clisp",
            "pwsh",
            "powershell",
            "deno",
            "bun",
            "tsx",
            "m4",
            "dc",
            "gs",
            "ocaml",
            "elixir",
            "swipl",
            "racket",
            "gnuplot",
            "openssl",
            "virsh",
        ],
        when: When::Bare(0),
        input: "standard input of an interpreter, its program",
    },
];

/// `-`, `/dev/stdin`, `-f-`, `--file=-`.
fn names_stdin(word: &Word) -> bool {
    let value = word
        .text
        .rsplit_once('=')
        .map_or(word.text.as_str(), |(_, value)| value);
    let is_named = |value: &str| value == "-" || descriptor(value).is_some();
    let attached = cluster(&word.text)
        .and_then(|letters| letters.split_once('f'))
        .is_some_and(|(_, value)| is_named(value));
    is_stdin(word) || attached || is_named(value)
}

fn has_program_option(arguments: &[Word]) -> bool {
    let takes_file = |word: &Word| {
        matches!(word.text.as_str(), "--file" | "--exec")
            || cluster(&word.text).is_some_and(|letters| letters.ends_with(['f', 'E']))
    };
    let separate = arguments
        .windows(2)
        .any(|pair| matches!(pair, [option, file] if takes_file(option) && is_stdin(file)));
    separate || arguments.iter().any(|word| !is_stdin(word) && names_stdin(word))
}

/// How the record calls the input of an `xargs` whose operands are programs.
const PROGRAMS: &str = "standard input of which each line becomes a command";

/// The standard input of `xargs` is the operands of what it runs.
fn operands(command: &SimpleCommand, script: &Script, index: usize) -> Option<Stdin> {
    let arguments = command.arguments();
    if names_any(arguments, &["-a", "--arg-file", "::::"]) || names_any(arguments, &[":::"]) {
        return None;
    }
    let run = script
        .commands
        .iter()
        .skip(index + 1)
        .take_while(|other| other.depth > command.depth);
    let mut run = run
        .filter(|other| matches!(other.origin, Origin::Wrapped(_)))
        .peekable();
    let is_bare = run.peek().is_none();
    let runs_text = |other: &SimpleCommand| {
        other
            .program()
            .is_none_or(|program| is_shell(program) || super::interpreters::is_interpreter(program))
    };
    if run.any(runs_text) || (is_bare && command.program() == Some("parallel")) {
        return Some(Stdin::Unknown(PROGRAMS));
    }
    let words = command.words.iter().map(|word| word.text.clone()).collect();
    Some(Stdin::Text(Interpreted::operands(words)))
}
