//! What a script only speaks of: quoted text that is printed, searched for or written down, and comments.
//!
//! `git commit -m 'stop rm -rf /'` runs nothing but git. Only the plainest scripts are believed: one that is not fully
//! understood, nests anything, or hands the text on to a program that is not known to just show it, keeps all its words.

use std::borrow::Cow;
use std::ops::Range;

use crate::command::{Origin, Script, SimpleCommand, Word};
use crate::domain::Dialect;

/// Programs that print their arguments or compare them.
const SPEAKERS: &[&str] = &[
    "echo",
    "printf",
    "logger",
    "say",
    "figlet",
    "cowsay",
    "notify-send",
    "wall",
    "test",
    "[",
];
/// Programs that look for their argument.
const SEARCHERS: &[&str] = &["grep", "egrep", "fgrep", "zgrep", "rg", "ag", "ack"];
/// Programs that only show what they read.
const READERS: &[&str] = &[
    "grep", "egrep", "fgrep", "rg", "wc", "less", "more", "head", "tail", "sort", "uniq", "cat", "cut", "column",
    "fold", "nl", "tac",
];
/// Programs that run text, or give a name another meaning.
const MOVERS: &[&str] = &["eval", "source", ".", "alias", "exec", "trap"];
/// Words that begin a part of a control structure.
const KEYWORDS: &[&str] = &["do", "then", "else", "coproc"];
/// Endings of files that hold prose.
const PROSE: &[&str] = &[".md", ".txt", ".rst", ".adoc", ".log"];

/// The script without what it only speaks of.
pub(super) fn without(script: &Script) -> Cow<'_, Script> {
    if !is_plain(script) {
        return Cow::Borrowed(script);
    }
    let mut bare = script.clone();
    for command in &mut bare.commands {
        let spoken = spoken(script, command);
        let keeps = searches_the_host(command);
        let words = command.words.iter_mut().enumerate();
        for (_, word) in words.filter(|(place, _)| spoken.contains(place)) {
            blank(&mut bare.text, &word.span);
            if !keeps {
                word.text.clear();
            }
        }
    }
    let comment = comment(&bare.text, script.dialect);
    blank(&mut bare.text, &comment);
    let unchanged = bare.text == script.text;
    if unchanged || !is_flat(&bare.text) {
        return Cow::Borrowed(script);
    }
    Cow::Owned(bare)
}

/// Whether every command stands in the text itself, writes nothing but prose, and runs no text.
fn is_plain(script: &Script) -> bool {
    let alone = script.commands.len() == 1;
    let writes_prose = |command: &SimpleCommand| {
        let mut written = command.redirections.iter().filter(|redirection| redirection.writes());
        written.all(|redirection| is_discarded(&redirection.target) || (alone && is_prose(&redirection.target)))
    };
    let moves = |command: &SimpleCommand| command.program().is_some_and(|program| MOVERS.contains(&program));
    script.understood()
        && script.text.contains(['\'', '"', '#'])
        && !script.commands.iter().any(moves)
        && script
            .commands
            .iter()
            .all(|command| command.origin == Origin::Direct && command.depth == 0 && writes_prose(command))
}

fn is_discarded(target: &Word) -> bool {
    target.text == "/dev/null"
}

fn is_prose(target: &Word) -> bool {
    target.constant && !target.text.starts_with('/') && PROSE.iter().any(|ending| target.text.ends_with(ending))
}

/// Whether nothing of the rest nests, or reads from elsewhere.
fn is_flat(rest: &str) -> bool {
    let words = || rest.split(|c: char| c.is_whitespace() || ";&|".contains(c));
    !rest.contains(['(', '{', '`', '<']) && !words().any(|word| KEYWORDS.contains(&word))
}

/// The places, among the words of a command, of what it only speaks of.
fn spoken(script: &Script, command: &SimpleCommand) -> Vec<usize> {
    let Some(program) = command.program().filter(|_| is_only_shown(script, command)) else {
        return Vec::new();
    };
    let words = command.words.iter().enumerate().skip(1);
    let quoted = words.filter(|(_, word)| is_quoted(&script.text, word));
    let wanted = |(place, word): &(usize, &Word)| match program {
        _ if SPEAKERS.contains(&program) => true,
        _ if SEARCHERS.contains(&program) => is_phrase(word) && !reads_patterns(command),
        "git" => is_message(
            command,
            *place,
            &["commit", "tag", "notes", "stash", "merge", "log", "shortlog"],
        ),
        "gh" | "glab" => is_message(command, *place, &["issue", "pr", "mr", "release"]),
        _ => false,
    };
    quoted.filter(wanted).map(|(place, _)| place).collect()
}

/// Whether the program is the one that everybody knows by its name, and what it shows goes to readers alone.
fn is_only_shown(script: &Script, command: &SimpleCommand) -> bool {
    let well_known =
        command.assignments.is_empty() && command.words.first().is_some_and(|word| !word.text.contains('/'));
    let behind = |other: &&SimpleCommand| other.pipeline == command.pipeline && other.stage > command.stage;
    let mut readers = script.commands.iter().filter(behind);
    well_known && readers.all(|other| other.program().is_some_and(|program| READERS.contains(&program)))
}

fn is_quoted(text: &str, word: &Word) -> bool {
    let raw = text.get(word.span.clone()).unwrap_or_default();
    word.constant && (raw.starts_with(['\'', '"']) || raw.starts_with("--")) && raw.ends_with(['\'', '"'])
}

fn is_phrase(word: &Word) -> bool {
    word.text.contains(' ') && !word.text.starts_with(['-', '/', '~', '@'])
}

/// Whether it searches more than the working directory: what it looks for there tells what it is about.
fn searches_the_host(command: &SimpleCommand) -> bool {
    let searches = command.program().is_some_and(|program| SEARCHERS.contains(&program));
    searches
        && command
            .arguments()
            .iter()
            .any(|word| word.text.starts_with(['/', '~', '$', '.']) && word.text != ".")
}

/// Whether a search takes its patterns from a file, or a program to read files with.
fn reads_patterns(command: &SimpleCommand) -> bool {
    let mut flags = command.arguments().iter().filter(|word| word.text.starts_with('-'));
    flags.any(|flag| flag.text.starts_with("--file") || flag.text.starts_with("--pre") || is_cluster_with_f(&flag.text))
}

fn is_cluster_with_f(flag: &str) -> bool {
    !flag.starts_with("--") && flag.contains('f')
}

/// Whether the word is the message that one of these subcommands records or looks for.
fn is_message(command: &SimpleCommand, place: usize, subcommands: &[&str]) -> bool {
    let text = |place: usize| command.words.get(place).map_or("", |word| word.text.as_str());
    let flag = text(place.saturating_sub(1));
    let short = !flag.starts_with("--") && flag.starts_with('-') && flag.ends_with(['m', 't', 'b', 'n']);
    let long = ["--message", "--grep", "--title", "--body", "--notes"];
    let joined = long.iter().any(|name| text(place).starts_with(&format!("{name}=")));
    subcommands.contains(&text(1)) && (short || joined || long.contains(&flag))
}

fn blank(text: &mut String, span: &Range<usize>) {
    if text.get(span.clone()).is_some() {
        text.replace_range(span.clone(), &" ".repeat(span.len()));
    }
}

/// Where a comment at the end of the text stands; empty when there is none.
///
/// An interactive zsh knows no comments, and what stands behind a `#` runs.
fn comment(text: &str, dialect: Dialect) -> Range<usize> {
    let mut quote = None;
    let mut previous = b' ';
    for (place, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'#') if previous.is_ascii_whitespace() && dialect != Dialect::Zsh => {
                let rest = text.get(place..).unwrap_or_default();
                return if rest.contains('\n') { 0..0 } else { place..text.len() };
            }
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None | Some(b'"'), b'\\') => return 0..0,
            _ => {}
        }
        previous = byte;
    }
    0..0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::parse;

    fn bare(text: &str) -> String {
        without(&parse(text, Dialect::Bash))
            .text
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn what_is_printed_searched_for_or_recorded_is_left_out() {
        assert_eq!(bare("echo 'rm -rf /'"), "echo");
        assert_eq!(bare("grep -rn 'rm -rf /' docs | wc -l"), "grep -rn docs | wc -l");
        assert_eq!(bare("git commit -am \"stop rm -rf /\""), "git commit -am");
        assert_eq!(bare("git log --grep='rm -rf /' -5"), "git log -5");
        assert_eq!(
            bare("gh issue create --title x --body 'ran rm -rf /'"),
            "gh issue create --title x --body"
        );
        assert_eq!(bare("echo 'rm -rf /' >> notes.md"), "echo >> notes.md");
        assert_eq!(bare("ls # rm -rf /"), "ls");
        assert_eq!(bare("rg -F 'rm -rf /' ."), "rg -F .");
    }

    #[test]
    fn what_may_run_stays() {
        for text in [
            "echo 'rm -rf /' | sh",
            "echo 'rm -rf /' > x.sh",
            "echo 'rm -rf /' > x.md; sh x.md",
            "eval \"$(echo 'rm -rf /')\"",
            "echo() { sh -c \"$1\"; }; echo 'rm -rf /'",
            "(echo 'rm -rf /') | sh",
            "echo 'rm -rf /' | while read l; do $l; done",
            "alias echo=eval; echo 'rm -rf /'",
            "/tmp/echo 'rm -rf /'",
            "PATH=/tmp echo 'rm -rf /'",
            "git -c 'core.pager=rm -rf /' log",
            "git commit -F '/etc/shadow x'",
            "grep -f '/etc/shadow' x",
            "grep root '/etc/shadow'",
            "rg --pre 'sh -c x' y",
            "sudo 'rm' -rf /",
            "echo '#' ; rm -rf /",
            "echo a#b ; rm -rf /",
            "ls # x\nrm -rf /",
        ] {
            let script = parse(text, Dialect::Bash);
            let rest = without(&script);
            let kept = |danger: &str| !text.contains(danger) || rest.text.contains(danger);
            assert!(
                ["rm -rf /", "/etc/shadow", "sh -c x", "'rm'"].into_iter().all(kept),
                "{text}: {}",
                rest.text
            );
        }
    }

    #[test]
    fn an_interactive_zsh_runs_what_stands_behind_a_hash() {
        let text = "ls # ; rm -rf /";
        assert_eq!(without(&parse(text, Dialect::Zsh)).text, text);
    }
}
