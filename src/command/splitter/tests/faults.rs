//! Whatever a script has in it: what a real shell runs was judged, or was given up as unknown before.

use std::io::{Seek as _, Write as _};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::sample::select;

use super::super::*;
use crate::command::{SimpleCommand, parse};

/// Shells as they are called, and what follows them.
const SHELLS: &[(&[&str], Option<Dialect>)] = &[
    (&["bash"], Some(Dialect::Bash)),
    (&["dash"], Some(Dialect::Sh)),
    (&["mksh"], Some(Dialect::Sh)),
    (&["busybox", "sh"], Some(Dialect::Sh)),
    (&["zsh", "-f"], Some(Dialect::Zsh)),
    (&["bash"], None),
    (&["dash"], None),
    (&["zsh", "-f"], None),
    (&["fish", "--no-config"], None),
    (&["tcsh", "-f"], None),
];

/// What opens, closes, joins and faults.
const PIECES: &str = "' \" ` $( ${x:- } $(( (( )) ) ( { } <<E <<-'E' ; ;; & && || | < # \\ if then else fi case in esac do done for \
    while [[ ]] f() a= a=( ! !( ?( *( x) true function f $' end repeat 1 always &| &! =( <( begin select time coproc (a|b) $[ ]";

/// Those pieces with blanks and newlines between some of them, a marked command, and what may close them.
fn script() -> impl Strategy<Value = String> {
    let pieces: Vec<&str> = PIECES.split_ascii_whitespace().chain(["> /dev/null "]).collect();
    let between = select(["", " ", " ", "\n", "\\\n", "\nE\n"].as_slice());
    let odd = prop::collection::vec((select(pieces), between), 0..12);
    let closing = select(
        [
            "'", "\"", "}", ")", "))", "`", "\nE\n", "fi", "done", "esac", "]]", "\n", ";",
        ]
        .as_slice(),
    );
    (odd, prop::collection::vec(closing, 0..5)).prop_map(|(odd, closing)| {
        let odd: String = odd.into_iter().flat_map(|(piece, between)| [piece, between]).collect();
        format!("{odd}\necho RAN\n: {}\n", closing.concat())
    })
}

/// Whether the shell runs the marked command.
fn runs(shell: &[&str], script: &str) -> bool {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(script.as_bytes()).unwrap();
    file.rewind().unwrap();
    let (arguments, directory) = (["2"].iter().chain(shell), tempfile::tempdir().unwrap());
    let mut timeout = Command::new("timeout");
    timeout.args(arguments).current_dir(directory.path());
    let output = timeout.stdin(Stdio::from(file)).output().unwrap();
    output.stdout.split(|byte| *byte == b'\n').any(|line| line == b"RAN")
}

/// Whether the marked command is among those that are judged, or the input is given up before its end.
fn is_judged(mut splitter: Splitter, script: &str) -> bool {
    let dialect = splitter.dialect().unwrap_or(Dialect::Bash);
    let pieces = splitter.feed(script.as_bytes());
    let judged = pieces.iter().map(Piece::bytes).chain([splitter.pending()]);
    let found = judged.into_iter().any(|unit| {
        let script = parse(&String::from_utf8_lossy(unit), dialect);
        script.commands.iter().any(is_marked)
    });
    found || splitter.is_lost() || !splitter.is_known_at_end()
}

fn is_marked(command: &SimpleCommand) -> bool {
    let marks = |word: &str| word.trim_end_matches([')', '}', ';', '`', ']']) == "RAN";
    let mut pairs = command.words.windows(2);
    pairs.any(|pair| matches!(pair, [echo, ran] if echo.text == "echo" && marks(&ran.text)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(640))]

    #[test]
    fn what_a_shell_runs_was_judged(script in script(), (shell, dialect) in select(SHELLS)) {
        let splitter = dialect.map_or_else(Splitter::of_any_shell, Splitter::new);
        prop_assert!(is_judged(splitter, &script) || !runs(shell, &script), "{shell:?}: {script}");
    }
}
