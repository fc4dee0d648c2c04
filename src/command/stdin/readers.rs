//! Programs that run what is on their standard input and are no shell: what is scored, what is unknown, and what is data.
//!
//! | standard input of | is | because |
//! | --- | --- | --- |
//! | `python3`, `perl`, `psql`, `redis-cli`, ... | a text, scored | it runs as the argument of the same call would ([`interpreters`](super::interpreters)) |
//! | `xargs`, `parallel` with a program | a text, scored | its words become that program's operands |
//! | `xargs` with a shell, `parallel` without a program | unknown | each line becomes a program of its own |
//! | the programs of [`READERS`] | unknown | they run it, in a language that is not read here |
//! | an interpreter whose own text calls what runs others: `awk '{system($0)}'` | unknown | it may be given any part of the input |
//! | a program that is not known, told of a shell or of the input's path: `tool --shell sh`, `tool /dev/stdin` | unknown | it may run that ([`hints`](super::hints)) |
//! | `cat`, `tee FILE`, `dd`, `tar`, `cpio`, `patch`, `git`, `rsync`, `docker load`, `kubectl apply -f -`, `chpasswd`, any other | data | it is kept, unpacked or describes a state; that this is done is told, and scored, by the command itself |

use super::super::code::may_run_others;
use super::super::feed::is_stdin;
use super::super::options::{has_flag, names_any, own_options};
use super::super::unwrap::is_shell;
use super::super::{Script, SimpleCommand, Word};
use super::hints::hinted;
use super::interpreters::is_interpreter;
use super::table::READERS;
use super::{Interpreted, Stdin};

/// What a program that is no shell, and has no text of its own, runs of its standard input.
pub(super) fn read_by_program(command: &SimpleCommand, script: &Script, index: usize) -> Option<Stdin> {
    let program = command.program()?;
    if matches!(program, "xargs" | "gxargs" | "parallel" | "rush") {
        return operands(command, script, index);
    }
    if is_interactive(program, command.arguments()) {
        return Some(Stdin::Unknown("standard input of an interactive interpreter"));
    }
    let mut readers = READERS.iter().filter(|reader| reader.is(program));
    if let Some(reader) = readers.find(|reader| reader.when.holds(command, script.dialect)) {
        return Some(Stdin::Unknown(reader.input));
    }
    if may_run_others(program, command.arguments()) {
        return Some(Stdin::Unknown(
            "standard input of an interpreter whose program runs others",
        ));
    }
    hinted(command, script)
}

/// Modules of Python that run what they read.
const MODULES: &[&str] = &[
    "code", "pdb", "IPython", "asyncio", "runpy", "bpython", "ptpython", "trace", "cProfile",
];

/// Whether a program is an interpreter that reads its standard input behind a script of its own, or by a module.
fn is_interactive(program: &str, arguments: &[Word]) -> bool {
    const VALUES: &str = "cmWX";
    let is_one = ["python", "pypy", "node", "lua"]
        .iter()
        .any(|name| program.starts_with(name));
    let by_module = || {
        let attached = |word: &Word| {
            word.text
                .strip_prefix("-m")
                .is_some_and(|module| MODULES.contains(&module))
        };
        names_any(arguments, &["-m"]) && names_any(arguments, MODULES) || arguments.iter().any(attached)
    };
    let is_debugged = match program {
        "perl" => has_flag(arguments, "d", "eEIMmiF"),
        "node" => names_any(arguments, &["inspect"]),
        _ => false,
    };
    is_debugged || is_one && (has_flag(own_options(arguments, VALUES), "i", VALUES) || by_module())
}

/// How the record calls the input of an `xargs` whose operands are programs.
const PROGRAMS: &str = "standard input of which each line becomes a command";

/// Options with which the operands come from elsewhere, and the program has the standard input itself.
const ELSEWHERE: &[&str] = &["-a", "--arg-file", "::::", ":::"];

/// The standard input of `xargs` is the operands of what it runs.
fn operands(command: &SimpleCommand, script: &Script, index: usize) -> Option<Stdin> {
    let arguments = command.arguments();
    let run = || {
        let inside = script.commands.iter().skip(index + 1);
        inside.take_while(|other| other.depth > command.depth)
    };
    let runs_text = run().any(|other| {
        other
            .program()
            .is_none_or(|program| is_shell(program) || is_interpreter(program))
    });
    let is_bare = run().next().is_none() && !command.program().is_some_and(|program| program.ends_with("xargs"));
    let is_elsewhere = arguments
        .iter()
        .any(|word| ELSEWHERE.contains(&word.text.as_str()) || word.text.starts_with("--arg-file="));
    if runs_text || is_bare || is_elsewhere && arguments.iter().any(is_stdin) {
        return Some(Stdin::Unknown(PROGRAMS));
    }
    let words = command.words.iter().map(|word| word.text.clone()).collect();
    (!is_elsewhere).then(|| Stdin::Text(Interpreted::operands(words)))
}
