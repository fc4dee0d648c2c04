//! Whether a text of another language runs what its program reads, as far as the words in it tell.

use super::super::Word;
use super::{Language, language, lines, names, sed, texts, texts_of};

/// Whether a text among the arguments of `program` calls what runs others: commands, or texts and files of its own language.
pub(in crate::command) fn may_run_others(program: &str, arguments: &[Word]) -> bool {
    let Some(language) = language(program) else {
        return false;
    };
    if language.programs.contains(&"sed") {
        return scripts_of_sed(language, arguments).into_iter().any(sed::runs_commands);
    }
    let mut texts = texts(language, arguments).into_iter();
    texts.any(|text| calls_others(language, text))
}

/// The scripts in the options of a sed, or else its first operand.
fn scripts_of_sed<'a>(language: &Language, arguments: &'a [Word]) -> Vec<&'a str> {
    let mut scripts = texts_of(language, arguments, false);
    if scripts.is_empty() {
        scripts.extend(texts(language, arguments).first());
    }
    scripts
}

fn calls_others(language: &Language, text: &str) -> bool {
    let is_hinted = language.hints.iter().any(|hint| text.contains(hint));
    let is_call = |name: &str| {
        language.calls.contains(&name)
            || language.itself.contains(&name)
            || (is_hinted && language.vague.contains(&name))
            || language.loads.contains(&name)
    };
    let is_awk = language.programs.contains(&"awk");
    names(text).any(|(name, _)| is_call(name))
        || (language.backticks && text.contains('`'))
        || lines(language, text).next().is_some()
        || (is_awk && (pipes_in_awk(text) || text.contains('@')))
}

/// `print | command`, `command | getline`.
fn pipes_in_awk(text: &str) -> bool {
    let text = text.replace("||", "  ");
    text.match_indices('|').any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        let statement = before.rsplit(['{', '}', ';', '\n']).next().unwrap_or_default();
        let after = text.get(at + 1..).unwrap_or_default().trim_start();
        statement.contains("print") || after.starts_with("getline") || after.starts_with('&')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(program: &str, option: &str, text: &str) -> bool {
        let words = [option, text].into_iter().filter(|word| !word.is_empty());
        let words: Vec<Word> = words.map(|word| Word::computed(word.to_owned())).collect();
        may_run_others(program, &words)
    }

    #[test]
    fn a_text_that_calls_what_runs_others_is_told() {
        for (program, option, text) in [
            ("python3", "-c", "exec(input())"),
            (
                "python3",
                "-c",
                "import sys,subprocess; subprocess.run(sys.stdin.read(), shell=True)",
            ),
            ("python3", "-c", "import runpy; runpy.run_path('/dev/stdin')"),
            ("python3", "-c", "import code; code.interact()"),
            ("python3", "-c", "import pty; pty.spawn('sh')"),
            ("perl", "-ne", "system"),
            ("perl", "-lane", "exec @F"),
            ("perl", "-pe", "s/(.*)/`$1`/e"),
            ("perl", "-e", "do '/dev/stdin'"),
            ("ruby", "-e", "eval STDIN.read"),
            ("ruby", "-e", "load '/dev/stdin'"),
            ("node", "-e", "eval(require('fs').readFileSync(0,'utf8'))"),
            ("php", "-r", "eval(file_get_contents('php://stdin'));"),
            ("php", "-R", "system($argn);"),
            ("lua", "-e", "dofile()"),
            ("awk", "", "{system($0)}"),
            ("awk", "", "{print | \"sh\"}"),
            ("gawk", "", "{ $0 | getline x; print x }"),
            ("awk", "", "@include \"/dev/stdin\""),
            ("sed", "", "1e"),
            ("sed", "-ne", "s/x/y/e"),
        ] {
            assert!(runs(program, option, text), "{program} {text}");
        }
    }

    #[test]
    fn a_text_that_only_reads_is_not() {
        for (program, option, text) in [
            ("python3", "-c", "import json,sys; print(json.load(sys.stdin)['a'])"),
            ("perl", "-pe", "s/a/b/"),
            ("perl", "-ne", "print if /a|b/"),
            ("ruby", "-ne", "puts $_.upcase"),
            ("awk", "", "/error|warning/ {print $1}"),
            ("awk", "", "$1 == 1 || $2 == 2 {print}"),
            ("awk", "-F|", "{print $2}"),
            ("sed", "", "s/e/e/g"),
            ("psql", "-c", "select 1"),
        ] {
            assert!(!runs(program, option, text), "{program} {text}");
        }
        let words = ["s/a/b/", "e.log"].map(|word| Word::computed(word.to_owned()));
        assert!(!may_run_others("sed", &words));
    }
}
