//! Whether a POSIX shell must want more lines after a text, so that it cannot run any of it yet.

use crate::command::{Piece, Splitter};
use crate::domain::Dialect;

/// Whether a shell that has read `text`, whole lines but for the last newline, must read on before it runs any of it.
///
/// A yes sends the line unasked, so it is no where shells do not agree ([`is_odd`]). Aliases are not followed: one that
/// stands for half a construct can make a yes wrong, and then the shell's next prompt tells.
pub(super) fn is_unfinished(text: &[u8]) -> bool {
    if is_odd(text) {
        return false;
    }
    let mut splitter = Splitter::new(Dialect::Sh);
    let pieces = splitter.feed(&[text, b"\n"].concat());
    let runs = pieces.iter().any(|piece| matches!(piece, Piece::Unit(_)));
    !runs && !splitter.is_lost() && !splitter.pending().is_empty()
}

/// Words that only some of them know, here-strings, quotes within `${...}` and `$((...))`, `$'...'`, a word that a backslash joins over the end of a line, and any line so joined in
/// a here-document.
fn is_odd(text: &[u8]) -> bool {
    let holds = |part: &[u8]| memchr::memmem::find(text, part).is_some();
    let joins_words = memchr::memmem::find_iter(text, b"\\\n").any(|at| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        !before.is_some_and(u8::is_ascii_whitespace)
    });
    let knows = |word: &[u8]| matches!(word, b"time" | b"[[" | b"function" | b"select" | b"coproc");
    let is_special = text
        .split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'[')
        .any(knows);
    joins_words
        || is_special
        || holds(b"${")
        || holds(b"((")
        || holds(b"<<<")
        || holds(b"$'")
        || (holds(b"<<") && holds(b"\\\n"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_open_needs_more() {
        for text in [
            "echo a \\",
            "echo 'a",
            "echo \"a",
            "echo \"a $(ls",
            "echo `ls",
            "cat <<E",
            "cat <<E\nx y",
            "cat <<A <<B\nA",
            "for i in 1 2",
            "for i in 1 2\ndo echo $i",
            "for i in 1 2; do echo $i",
            "while read x; do case $x in a) ls;; b)",
            "if a; then b; elif c; then d; else",
            "f() {",
            "f()",
            "{ rm -rf x",
            "( cd x",
            "ls |",
            "ls &&",
            "ls ||",
            "case $x in\nesac2)",
        ] {
            assert!(is_unfinished(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn what_could_run_is_finished() {
        for text in [
            "",
            "ls",
            "ls; rm -rf x &",
            "echo a \\\nb",
            "echo 'a\nb' \"c\nd\"",
            "cat <<E\nx y\nE",
            "cat <<E\nx \\\nE",
            "for i in 1 2\ndo echo $i\ndone",
            "case x in a|b) ls;; (c) ls; esac",
            "if a; then b; fi | c",
            "if a; then b; \\\nfi",
            "if a; then b; f\\\ni",
            "f() { ls; }",
            "echo if for {",
            "echo a # 'b",
            "echo $# ${x#y}",
            "fi",
            "ls )",
            "echo $'it\\'s",
            "time if a",
            "[[ a &&",
            "cat <<<x '",
            "echo ${x:-",
            "echo \"${x:-'}\" '",
            "echo \"${x#'}\"",
            "a && ! b",
        ] {
            assert!(!is_unfinished(text.as_bytes()), "{text:?}");
        }
    }

    /// Whether a real shell prompts for more lines after this text; `None` where it finds fault with it.
    fn dash_wants_more(text: &str) -> Option<bool> {
        let mut dash = Command::new("dash")
            .arg("-in")
            .env_clear()
            .envs([("PS1", "<first>"), ("PS2", "<more>")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(dash.stdin.take().unwrap(), "{text}").unwrap();
        let said = String::from_utf8(dash.wait_with_output().unwrap().stderr).unwrap();
        // One prompt before each line, and the one behind the last tells; the end of the input then ends a here-document.
        let lines = text.matches('\n').count() + 1;
        let (at, _) = said.match_indices('<').nth(lines)?;
        let (before, prompt) = said.split_at(at);
        (!before.contains("yntax error")).then(|| prompt.starts_with("<more>"))
    }

    fn scripts() -> impl Strategy<Value = String> {
        let piece = proptest::sample::select(vec![
            "a",
            "b",
            " ",
            " ",
            "\n",
            "\n",
            ";",
            "&",
            "|",
            "&&",
            "||",
            "(",
            ")",
            "{ ",
            "; }",
            "if ",
            "; then ",
            "else ",
            "; fi",
            "while ",
            "for i in ",
            "; do ",
            "; done",
            "case x in ",
            "x)",
            ";;",
            "esac",
            "'",
            "\"",
            "\\",
            "\\\n",
            "$(",
            "`",
            "${x",
            "}",
            "$((",
            "))",
            "<<E",
            "<<'E'",
            "\nE\n",
            ">f",
            "#",
            "f() ",
            "!",
            "$",
            "E",
        ]);
        proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// What is called unfinished must be: the shell would run it otherwise, and nobody was asked.
        #[test]
        fn a_real_shell_waits_for_more_of_what_is_unfinished(script in scripts()) {
            if is_unfinished(script.as_bytes()) {
                prop_assert_ne!(dash_wants_more(&script), Some(false), "{:?}", script);
            }
        }
    }
}
