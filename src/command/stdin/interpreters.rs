//! How interpreters of other languages are called, and which calls read a text from the standard input.

use crate::command::Word;
use crate::command::feed::{descriptor, is_stdin};
use crate::command::options::{cluster, takes_next};

/// The call that takes the text as its last argument; `None` where the program is no interpreter, or reads a text elsewhere.
pub(in crate::command) fn call_with_text(program: &str, arguments: &[Word]) -> Option<Vec<String>> {
    let interpreter = INTERPRETERS.iter().find(|interpreter| interpreter.is(program))?;
    interpreter.call(program, arguments)
}

/// Whether a program is one of the interpreters.
pub(super) fn is_interpreter(program: &str) -> bool {
    INTERPRETERS.iter().any(|interpreter| interpreter.is(program))
}

/// How an interpreter is called.
struct Interpreter {
    /// Names, without what tells the version.
    names: &'static [&'static str],
    /// The option that takes a text; empty where the text is an operand.
    option: &'static str,
    /// Letters of options after which it does not read its standard input.
    other: &'static str,
    /// Long options after which it does not.
    other_long: &'static [&'static str],
    /// Letters of options that take a value, in the same word or the next.
    values: &'static str,
    /// Letters of options that take a value in the same word only.
    attached: &'static str,
    /// Long options that take a value as a word of their own.
    values_long: &'static [&'static str],
    /// Operands before it reads a text elsewhere: the name of a database.
    operands: usize,
}

impl Interpreter {
    const SCRIPT: Self = Self {
        names: &[],
        option: "-e",
        other: "e",
        other_long: &["--help", "--version"],
        values: "",
        attached: "",
        values_long: &[],
        operands: 0,
    };
    const DATABASE: Self = Self {
        operands: 1,
        ..Self::SCRIPT
    };
}

const INTERPRETERS: &[Interpreter] = &[
    Interpreter {
        names: &["python", "pypy"],
        option: "-c",
        other: "cmVh",
        values: "WX",
        ..Interpreter::SCRIPT
    },
    Interpreter {
        names: &["perl"],
        other: "eEvV",
        values: "I",
        ..Interpreter::SCRIPT
    },
    Interpreter {
        names: &["ruby", "jruby"],
        values: "IrCE",
        ..Interpreter::SCRIPT
    },
    Interpreter {
        names: &["node", "nodejs"],
        other: "epvh",
        other_long: &["--help", "--version", "--eval", "--print", "--run", "--test"],
        values: "r",
        values_long: &["--require", "--import", "--loader"],
        ..Interpreter::SCRIPT
    },
    Interpreter {
        names: &["php"],
        option: "-r",
        other: "rfvimShRBFE",
        values: "cdz",
        ..Interpreter::SCRIPT
    },
    Interpreter {
        names: &["lua", "luajit"],
        other: "ev",
        values: "l",
        ..Interpreter::SCRIPT
    },
    Interpreter {
        names: &["Rscript", "R", "julia"],
        other: "ef",
        ..Interpreter::SCRIPT
    },
    Interpreter {
        names: &["tclsh", "wish", "expect", "osascript"],
        option: "",
        other: "cfev",
        ..Interpreter::SCRIPT
    },
    Interpreter {
        names: &["psql"],
        option: "-c",
        other: "cflV",
        other_long: &["--help", "--version", "--command", "--file", "--list"],
        values: "hpUdvoFPRTL",
        values_long: &[
            "--host",
            "--port",
            "--username",
            "--dbname",
            "--set",
            "--variable",
            "--output",
            "--pset",
        ],
        operands: 2,
        ..Interpreter::DATABASE
    },
    Interpreter {
        names: &["mysql", "mariadb"],
        other: "eV",
        other_long: &["--help", "--version", "--execute"],
        values: "hPuSD",
        attached: "p",
        values_long: &[
            "--host",
            "--port",
            "--user",
            "--socket",
            "--database",
            "--defaults-file",
        ],
        ..Interpreter::DATABASE
    },
    Interpreter {
        names: &["sqlite", "sqlite3", "duckdb"],
        option: "",
        other: "",
        other_long: &["-version", "-help", "--version", "--help"],
        values_long: &["-cmd", "-init", "-separator", "-nullvalue", "-newline"],
        ..Interpreter::DATABASE
    },
    Interpreter {
        names: &["mongosh", "mongo"],
        option: "--eval",
        other: "fh",
        other_long: &["--help", "--version", "--eval", "--file"],
        values: "up",
        values_long: &[
            "--host",
            "--port",
            "--username",
            "--password",
            "--authenticationDatabase",
        ],
        ..Interpreter::DATABASE
    },
    Interpreter {
        names: &["clickhouse-client"],
        option: "-q",
        other: "qV",
        other_long: &["--help", "--version", "--query", "--queries-file"],
        values: "hudC",
        values_long: &["--host", "--port", "--user", "--password", "--database"],
        operands: 0,
        ..Interpreter::DATABASE
    },
    Interpreter {
        names: &["redis-cli", "valkey-cli"],
        option: "",
        other: "",
        values: "hpsanui",
        ..Interpreter::SCRIPT
    },
    Interpreter {
        names: &["cqlsh", "sqlcmd"],
        other: "efqQi",
        values: "uphkSUPd",
        operands: 2,
        ..Interpreter::DATABASE
    },
];

impl Interpreter {
    /// Whether a program is one of these: `python3.12` is a `python`, and `sqlite3` is itself.
    fn is(&self, program: &str) -> bool {
        let unversioned = program.trim_end_matches(|character: char| character.is_ascii_digit() || character == '.');
        self.names.contains(&program) || self.names.contains(&unversioned)
    }

    fn call(&self, program: &str, arguments: &[Word]) -> Option<Vec<String>> {
        let mut words = vec![program.to_owned()];
        let (mut operands, mut rest) = (0, arguments.iter());
        while let Some(word) = rest.next() {
            let text = &word.text;
            if is_stdin(word) || names_file(text, rest.as_slice().first()) {
                break;
            }
            if self.reads_elsewhere(text) {
                return None;
            }
            let is_option = text.starts_with('-');
            operands += usize::from(!is_option);
            words.push(text.clone());
            if is_option && self.takes_next(text) {
                words.extend(rest.next().map(|word| word.text.clone()));
            }
        }
        if operands > self.operands {
            return None;
        }
        // Without a database, the text would be taken for its name.
        let missing = self.option.is_empty() && self.operands > operands;
        words.extend(missing.then(|| ":memory:".to_owned()));
        words.extend((!self.option.is_empty()).then(|| self.option.to_owned()));
        Some(words)
    }

    fn reads_elsewhere(&self, option: &str) -> bool {
        let long = option.split('=').next().unwrap_or(option);
        if self.other_long.contains(&long) {
            return true;
        }
        let letters = cluster(option).unwrap_or_default().chars();
        // What follows a letter with a value is the value.
        let mut letters =
            letters.take_while(|letter| !self.values.contains(*letter) && !self.attached.contains(*letter));
        letters.any(|letter| self.other.contains(letter))
    }

    fn takes_next(&self, option: &str) -> bool {
        let in_cluster = || cluster(option).is_some_and(|letters| takes_next(self.values, letters));
        self.values_long.contains(&option) || in_cluster()
    }
}

/// Whether an option names the standard input as the file to run: `-f -`, `-qf-`, `--file=/dev/stdin`.
fn names_file(option: &str, next: Option<&Word>) -> bool {
    let is_input = |value: &str| value == "-" || descriptor(value).is_some();
    let is_file = |option: &str| {
        matches!(option, "--file" | "--queries-file" | "-init")
            || cluster(option).is_some_and(|letters| letters.ends_with('f'))
    };
    let attached = option
        .split_once('=')
        .or_else(|| option.split_once('f').map(|(_, value)| ("-f", value)));
    let is_attached =
        option.starts_with('-') && attached.is_some_and(|(option, value)| is_file(option) && is_input(value));
    is_attached || (is_file(option) && next.is_some_and(is_stdin))
}
