//! Other languages that a command line holds: what their texts would have a shell, or the system, run.
//!
//! Nothing is parsed in full: calls that run commands are found by their names, and what they are given is computed as far as
//! it is constant (`expression`). What is not constant is said to be unknown.

mod expression;
mod input;
mod sed;

use expression::{Arguments, Budget, Value};
pub(super) use input::may_run_others;

use super::Word;
use super::unwrap::Inside;

/// Most commands that are looked for in one text.
const MAX_FOUND: usize = 64;

/// A language by the calls that run commands in it.
struct Language {
    /// Programs, without what tells the version.
    programs: &'static [&'static str],
    /// Options that take a text of it; with none, the first operand is one.
    options: &'static [&'static str],
    /// Functions that run a command.
    calls: &'static [&'static str],
    /// Functions that do so where the text also holds one of `hints`.
    vague: &'static [&'static str],
    hints: &'static [&'static str],
    /// Functions that run a text of the language itself.
    itself: &'static [&'static str],
    /// Functions that run a file of the language, or a text that they are not given as one.
    loads: &'static [&'static str],
    /// Whether text between backticks is run.
    backticks: bool,
    /// What the rest of a line is run after.
    lines: &'static [&'static str],
}

impl Language {
    const NONE: Self = Self {
        programs: &[],
        options: &["-e"],
        calls: &[],
        vague: &[],
        hints: &[],
        itself: &[],
        loads: &[],
        backticks: false,
        lines: &[],
    };
}

const LANGUAGES: &[Language] = &[
    Language {
        programs: &["python", "pypy", "ipython"],
        options: &["-c"],
        calls: &[
            "system",
            "popen",
            "getoutput",
            "getstatusoutput",
            "check_call",
            "check_output",
            "Popen",
            "spawnlp",
            "spawnvp",
            "spawnl",
            "spawnv",
            "execv",
            "execvp",
            "execl",
            "execlp",
            "execve",
            "execvpe",
            "posix_spawn",
            "create_subprocess_shell",
        ],
        vague: &["run", "call"],
        hints: &["subprocess"],
        itself: &["exec", "eval"],
        loads: &[
            "__import__",
            "import_module",
            "interact",
            "marshal",
            "pickle",
            "pty",
            "run_module",
            "run_path",
            "runpy",
        ],
        ..Language::NONE
    },
    Language {
        programs: &["perl"],
        options: &["-e", "-E"],
        calls: &["system", "exec", "qx", "syscall"],
        itself: &["eval"],
        loads: &["do", "require"],
        backticks: true,
        ..Language::NONE
    },
    Language {
        programs: &["ruby", "jruby", "irb"],
        calls: &[
            "system",
            "exec",
            "spawn",
            "popen",
            "capture2",
            "capture2e",
            "capture3",
            "%x",
        ],
        itself: &["eval", "instance_eval"],
        loads: &["load", "require_relative"],
        backticks: true,
        ..Language::NONE
    },
    Language {
        programs: &["node", "nodejs", "bun", "deno"],
        options: &["-e", "-p", "-pe", "--eval", "--print", "eval"],
        calls: &["execSync", "execFile", "execFileSync", "spawnSync"],
        vague: &["exec", "spawn"],
        hints: &["child_process"],
        itself: &["eval"],
        ..Language::NONE
    },
    Language {
        programs: &["php"],
        options: &["-r", "-B", "-R", "-E"],
        calls: &[
            "system",
            "exec",
            "shell_exec",
            "passthru",
            "popen",
            "proc_open",
            "pcntl_exec",
        ],
        itself: &["eval"],
        loads: &["include", "require"],
        backticks: true,
        ..Language::NONE
    },
    Language {
        programs: &["lua", "luajit", "texlua"],
        calls: &["execute", "popen"],
        loads: &["dofile", "load", "loadfile", "loadstring"],
        ..Language::NONE
    },
    Language {
        programs: &["awk", "gawk", "mawk", "nawk", "original-awk"],
        options: &[],
        calls: &["system"],
        ..Language::NONE
    },
    Language {
        programs: &[
            "Rscript",
            "R",
            "julia",
            "octave",
            "octave-cli",
            "groovy",
            "scala",
            "guile",
        ],
        options: &["-e", "--eval", "-c"],
        calls: &["system", "system2", "shell", "run"],
        ..Language::NONE
    },
    Language {
        programs: &["vim", "vi", "nvim", "view", "ex", "gvim", "rvim", "vimdiff"],
        options: &["-c", "--cmd", "+"],
        calls: &["system", "systemlist", "termopen", "jobstart"],
        lines: &[":!", "!", "terminal ", "term "],
        ..Language::NONE
    },
    Language {
        programs: &["psql"],
        options: &["-c", "--command"],
        calls: &[],
        lines: &["\\! ", "\\!", "PROGRAM ", "program "],
        ..Language::NONE
    },
    Language {
        programs: &["mysql", "mariadb"],
        options: &["-e", "--execute"],
        loads: &["source"],
        lines: &["\\! ", "\\!", "system "],
        ..Language::NONE
    },
    Language {
        programs: &["sqlite", "sqlite3"],
        options: &["-cmd", ""],
        loads: &["read"],
        lines: &[".shell ", ".system "],
        ..Language::NONE
    },
    Language {
        programs: &["gdb", "lldb"],
        options: &["-ex", "--ex", "-eval-command", "--eval-command", "-o"],
        lines: &["!", "shell ", "platform shell "],
        ..Language::NONE
    },
    Language {
        programs: &["tclsh", "expect", "wish"],
        options: &["-c"],
        loads: &["interact", "source"],
        lines: &["exec ", "spawn ", "system "],
        ..Language::NONE
    },
    Language {
        programs: &["osascript"],
        calls: &["script"],
        ..Language::NONE
    },
    Language {
        programs: &["m4"],
        options: &[],
        calls: &["syscmd", "esyscmd"],
        ..Language::NONE
    },
    Language {
        programs: &["sed", "gsed"],
        options: &["-e", "--expression", ""],
        lines: &["1e ", "e ", "$e "],
        ..Language::NONE
    },
];

/// What the texts in the arguments of `program` would run.
pub(super) fn inside(program: &str, arguments: &[Word]) -> Vec<Inside> {
    let Some(language) = language(program) else {
        return Vec::new();
    };
    let texts = texts(language, arguments);
    let budget = Budget::for_length(texts.iter().map(|text| text.len()).sum());
    let mut found: Vec<_> = texts
        .into_iter()
        .flat_map(|text| commands(language, text, 0, &budget))
        .collect();
    if found.len() > MAX_FOUND || budget.is_spent() {
        found.truncate(MAX_FOUND);
        found.push(Inside::Unknown);
    }
    found
}

/// The hints of a language that `text` holds, as a line of their own: a part of the text may not hold them.
pub(super) fn hints_in(program: &str, text: &str) -> String {
    let hints = language(program).map_or(&[][..], |language| language.hints);
    let found = hints.iter().filter(|hint| text.contains(**hint));
    found.flat_map(|hint| [*hint, "\n"]).collect()
}

fn language(program: &str) -> Option<&'static Language> {
    let unversioned = program.trim_end_matches(|character: char| character.is_ascii_digit() || character == '.');
    LANGUAGES
        .iter()
        .find(|language| language.programs.contains(&program) || language.programs.contains(&unversioned))
}

/// The texts that options give, in their own word or the next; or the operands.
fn texts<'a>(language: &Language, arguments: &'a [Word]) -> Vec<&'a str> {
    let by_operand = language.options.is_empty() || language.options.contains(&"");
    texts_of(language, arguments, by_operand)
}

fn texts_of<'a>(language: &Language, arguments: &'a [Word], by_operand: bool) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut words = arguments.iter().map(|word| word.text.as_str());
    while let Some(word) = words.next() {
        if takes_text(language, word) {
            found.extend(words.next());
        } else if let Some(text) = attached(language, word) {
            found.push(text);
        } else if by_operand && !word.starts_with('-') {
            found.push(word);
        }
    }
    found
}

/// Whether the next word is a text: the option itself, or a cluster that ends with it (`perl -lne`).
fn takes_text(language: &Language, word: &str) -> bool {
    let is_cluster = word.starts_with('-') && !word.starts_with("--") && word.len() <= 8;
    language.options.iter().any(|option| {
        let letter = option.strip_prefix('-').filter(|letter| letter.len() == 1);
        *option == word && !word.is_empty() || is_cluster && letter.is_some_and(|letter| word.ends_with(letter))
    })
}

/// `-cTEXT`, `--eval=TEXT`, `+TEXT`.
fn attached<'a>(language: &Language, word: &'a str) -> Option<&'a str> {
    language.options.iter().find_map(|option| {
        let rest = word
            .strip_prefix(option)
            .filter(|rest| !rest.is_empty() && !option.is_empty())?;
        if option.starts_with("--") {
            rest.strip_prefix('=')
        } else {
            Some(rest)
        }
    })
}

fn commands(language: &Language, text: &str, depth: usize, budget: &Budget) -> Vec<Inside> {
    let mut found = Vec::new();
    let is_hinted = language.hints.iter().any(|hint| text.contains(hint));
    for (name, at) in names(text) {
        let runs = language.calls.contains(&name);
        if runs || (language.vague.contains(&name) && is_hinted) {
            found.extend(call(name, expression::arguments(text, at, budget), runs));
        } else if language.itself.contains(&name) {
            let arguments = expression::arguments(text, at, budget).unwrap_or_default();
            match arguments.first() {
                Some(Value::Text(inner)) if depth < 2 => found.extend(commands(language, inner, depth + 1, budget)),
                Some(_) => found.push(Inside::Unknown),
                None => {}
            }
        }
        if found.len() > MAX_FOUND || budget.is_spent() {
            break;
        }
    }
    if language.backticks {
        found.extend(text.split('`').skip(1).step_by(2).filter_map(shell_text));
    }
    found.extend(lines(language, text));
    if language.programs.contains(&"awk") {
        found.extend(piped_in_awk(text));
    }
    if language.programs.contains(&"sed") {
        found.extend(executed_by_sed(text));
    }
    found
}

/// The identifiers of a text, each with where it ends.
fn names(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '%');
    text.split(move |character| !is_part(character))
        .filter(|name| !name.is_empty())
        .map(move |name| (name, name.as_ptr() as usize - text.as_ptr() as usize + name.len()))
}

/// Calls that put another program into the place of their own: the program, then its name and arguments.
const REPLACING: &[&str] = &[
    "execv",
    "execvp",
    "execve",
    "execvpe",
    "execl",
    "execlp",
    "spawnl",
    "spawnlp",
    "spawnv",
    "spawnvp",
    "posix_spawn",
];

/// What one call runs; with `certain`, something that is not known is told.
fn call(name: &str, arguments: Option<Arguments>, certain: bool) -> Option<Inside> {
    let arguments = arguments.filter(|arguments| !arguments.is_empty())?;
    let list = arguments.iter().find_map(|argument| match argument {
        Value::List(list) => Some(list.clone()),
        _ => None,
    });
    let texts: Vec<String> = arguments
        .iter()
        .filter_map(|argument| match argument {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
        .collect();
    if REPLACING.contains(&name) {
        return words_inside(list.unwrap_or_else(|| texts.into_iter().skip(1).collect()));
    }
    match (arguments.first(), list) {
        (Some(Value::Unknown), _) => certain.then_some(Inside::Unknown),
        // `run(["rm", "x"], ...)` and `execFile("rm", ["x"])`.
        (Some(Value::List(list)), _) => words_inside(list.clone()),
        (_, Some(list)) => words_inside([texts, list].concat()),
        (_, None) => match texts.as_slice() {
            [text] => shell_text(text),
            _ => words_inside(texts),
        },
    }
}

fn shell_text(text: &str) -> Option<Inside> {
    (!text.trim().is_empty()).then(|| Inside::Text(text.to_owned(), Vec::new()))
}

fn words_inside(words: Vec<String>) -> Option<Inside> {
    let words: Vec<Word> = words.into_iter().map(Word::computed).collect();
    (!words.is_empty()).then_some(Inside::Words(words))
}

/// What stands after the marks that give the rest of a line, or a quoted text, to a shell.
fn lines<'a>(language: &'a Language, text: &'a str) -> impl Iterator<Item = Inside> + 'a {
    text.split('\n').filter_map(|line| {
        let line = line.trim_start();
        language.lines.iter().find_map(|mark| {
            let rest = match line.strip_prefix(mark) {
                Some(rest) => rest,
                // Commands of a database and of an editor may stand behind others.
                None => line.split_once(mark).filter(|_| mark.len() > 2).map(|(_, rest)| rest)?,
            };
            let rest = rest.trim();
            let quoted = rest.strip_prefix('\'').and_then(|inner| inner.split_once('\''));
            shell_text(quoted.map_or(rest, |(inner, _)| inner))
        })
    })
}

/// `"command" | getline` and `print | "command"`.
fn piped_in_awk(text: &str) -> Vec<Inside> {
    let parts: Vec<&str> = text.split('"').collect();
    let mut found = Vec::new();
    for window in parts.windows(3) {
        let [before, inner, after] = window else { continue };
        let starts = before.trim_end().ends_with([';', '{', '}', '(', '\n']) || before.trim().is_empty();
        let after = after.trim_start();
        let is_read = after.starts_with("| getline") || after.starts_with("|getline") || after.starts_with("|&");
        let is_piped = before.trim_end().ends_with('|') || (is_read && starts);
        if is_piped {
            found.extend(shell_text(inner));
        }
    }
    found
}

/// `s/x/command/e`.
fn executed_by_sed(script: &str) -> Option<Inside> {
    let rest = script
        .trim_start_matches(|character: char| character.is_ascii_digit())
        .strip_prefix('s')?;
    let delimiter = rest.chars().next().filter(char::is_ascii_punctuation)?;
    let mut parts = rest.split(delimiter).skip(1);
    let (_, replacement, flags) = (parts.next()?, parts.next()?, parts.next()?);
    flags.contains('e').then(|| shell_text(replacement)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(program: &str, option: &str, text: String) -> Vec<Inside> {
        inside(program, &[option.to_owned(), text].map(Word::computed))
    }

    fn unknowns(found: &[Inside]) -> usize {
        found.iter().filter(|inside| **inside == Inside::Unknown).count()
    }

    #[test]
    fn what_costs_too_much_to_search_is_unknown_once() {
        for (program, option, text) in [
            ("node", "-e", format!("child_process; {}", "exec 'a'+ ".repeat(6_000))),
            ("python3", "-c", format!("subprocess; {}", "run 'a'+x+".repeat(6_000))),
            ("python3", "-c", format!("subprocess; {}", "run('a'+x);".repeat(5_000))),
        ] {
            assert_eq!(unknowns(&runs(program, option, text)), 1, "{program}");
        }
    }

    #[test]
    fn more_commands_than_are_looked_for_are_not_left_out_unsaid() {
        let found = runs("python3", "-c", "system('ls');".repeat(MAX_FOUND));
        assert_eq!((found.len(), unknowns(&found)), (MAX_FOUND, 0));
        let found = runs("python3", "-c", "system('ls');".repeat(MAX_FOUND + 1));
        assert_eq!((found.len(), unknowns(&found)), (MAX_FOUND + 1, 1));
    }

    #[test]
    fn calls_within_calls_cost_no_more_than_the_bound() {
        for call in ["exec(", "eval(exec(", "exec('", "system(exec("] {
            let found = runs("python3", "-c", call.repeat(13_000));
            assert!(
                unknowns(&found) > 0,
                "{call}: what is not looked at is said to be unknown"
            );
            assert!(found.len() <= MAX_FOUND + 1, "{call}: {}", found.len());
        }
    }
}
