//! Which program of a command reads its own program from the standard input of the whole: a shell, or another interpreter.
//!
//! Finds too many rather than too few: input that is scored needlessly goes on all the same.

mod interpreters;

use super::feed::{is_stdin, reads_commands};
use super::opens::opens_shell;
use super::unwrap::{is_shell, unwrap};
use super::{Origin, Redirection, Script, SimpleCommand, Word};
use crate::domain::Dialect;

use interpreters::call_with_text;

/// What a command reads as a program on its standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stdin {
    /// Commands, one after the other, in the language of a shell.
    Commands(Dialect),
    /// A text that another interpreter runs.
    Text(Interpreted),
}

/// An interpreter that reads its text from its standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreted {
    /// The same call with the text as an argument, but for that text: `python3 -c`.
    words: Vec<String>,
}

impl Interpreted {
    /// The command line that would run `text` in the same way.
    #[must_use]
    pub fn command_line(&self, text: &str) -> String {
        let words = self.words.iter().map(String::as_str).chain([text]);
        words.map(quoted).collect::<Vec<_>>().join(" ")
    }
}

fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+,=".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// What runs what is on the standard input of `script`; `None` where that is data.
#[must_use]
pub fn program_on_stdin(script: &Script) -> Option<Stdin> {
    let commands = script.commands.iter().enumerate();
    commands
        .filter(|(_, command)| is_passed_on(script, command))
        .find_map(|(index, command)| read_by(command, script.dialect).filter(|_| !is_fed(script, index)))
}

/// Whether the first line on the standard input of `script` may be a password: `sudo -S` reads one there, and so does `su`
/// for anybody but root. It may as well be a command, where none is needed.
#[must_use]
pub fn password_on_stdin(script: &Script, as_root: bool) -> bool {
    let asks = |command: &SimpleCommand| match command.program() {
        Some("sudo" | "sudo-rs") => has_option(command.arguments(), "S") || has_option(command.arguments(), "--stdin"),
        Some("su") => !as_root && command.depth == 0,
        _ => false,
    };
    script
        .commands
        .iter()
        .any(|command| is_passed_on(script, command) && asks(command))
}

fn read_by(command: &SimpleCommand, dialect: Dialect) -> Option<Stdin> {
    if starts_shell(command, dialect) {
        return Some(Stdin::Commands(Dialect::Bash));
    }
    let program = command.program()?;
    if reads_commands(command) {
        return Some(Stdin::Commands(dialect_of(program)));
    }
    let words = call_with_text(program, command.arguments())?;
    Some(Stdin::Text(Interpreted { words }))
}

fn dialect_of(program: &str) -> Dialect {
    match program {
        "bash" | "bash-static" | "rbash" | "source" | "." => Dialect::Bash,
        "zsh" => Dialect::Zsh,
        "fish" => Dialect::Fish,
        _ => Dialect::Sh,
    }
}

/// Programs that give their input on as it is, where they name no file to read.
const PASSING: &[&str] = &["cat", "tee", "pv"];

/// Whether what is on the standard input of its pipeline reaches the command: it comes first, or after what passes it on.
fn is_passed_on(script: &Script, command: &SimpleCommand) -> bool {
    (0..command.stage).all(|stage| {
        let mut of_stage = script
            .commands
            .iter()
            .filter(|other| (other.pipeline, other.stage) == (command.pipeline, stage));
        of_stage.any(|other| passes_on(script, other))
    })
}

fn passes_on(script: &Script, command: &SimpleCommand) -> bool {
    let reads_file = command
        .arguments()
        .iter()
        .any(|word| !word.text.starts_with('-') && !is_stdin(word) && command.program() != Some("tee"));
    command.program().is_some_and(|program| PASSING.contains(&program)) && !reads_file && !has_input(script, command)
}

/// Whether the standard input of a command is not that of the whole: redirected, or that of something that does not pass
/// its own on.
fn is_fed(script: &Script, index: usize) -> bool {
    let Some((command, before)) = script.commands.get(..=index).and_then(<[_]>::split_last) else {
        return false;
    };
    let keeps_its_input = |outer: &SimpleCommand| outer.program().is_some_and(|program| KEEPERS.contains(&program));
    let mut depth = command.depth;
    let around = before.iter().rev().filter(|outer| {
        let is_around = outer.depth < depth;
        depth = depth.min(outer.depth);
        is_around
    });
    let mut around = around.take_while(|_| command.origin != Origin::Direct);
    has_input(script, command)
        || around.any(|outer| !is_passed_on(script, outer) || has_input(script, outer) || keeps_its_input(outer))
        || is_in_fed_compound(script, index, command)
}

/// Programs that run others, but not on their own standard input, or not now.
const KEEPERS: &[&str] = &[
    "xargs", "gxargs", "parallel", "alias", "trap", "ansible", "at", "batch", "coproc",
];

fn has_input(script: &Script, command: &SimpleCommand) -> bool {
    command
        .redirections
        .iter()
        .any(|redirection| is_input(script, redirection))
}

/// Whether a redirection gives the standard input something else.
fn is_input(script: &Script, redirection: &Redirection) -> bool {
    let target = &redirection.target;
    // What is not known, and a descriptor that is copied, may be the standard input itself.
    let may_be_itself = match redirection.operator.as_str() {
        "<&" => target.text != "-",
        "<" | "<>" => {
            !target.constant
                || matches!(
                    target.text.as_str(),
                    "/dev/stdin" | "/proc/self/fd/0" | "/dev/fd/0" | "/dev/tty"
                )
        }
        _ => false,
    };
    redirection.operator.starts_with('<')
        && !may_be_itself
        && descriptor(script, redirection).is_none_or(|descriptor| descriptor == "0")
}

/// The descriptor before a redirection's operator.
fn descriptor<'a>(script: &'a Script, redirection: &Redirection) -> Option<&'a str> {
    let before = script.text.get(..redirection.target.span.start)?;
    let before = before
        .trim_end_matches([' ', '\t'])
        .strip_suffix(redirection.operator.as_str())?;
    let rest = before.trim_end_matches(|character: char| character.is_ascii_digit());
    let stands_alone = rest.is_empty() || rest.ends_with([' ', '\t', '\n', ';', '&', '|', '(']);
    before
        .get(rest.len()..)
        .filter(|digits| stands_alone && !digits.is_empty())
}

/// Whether the compound command around it is redirected: `while ...; do bash; done < file`.
fn is_in_fed_compound(script: &Script, index: usize, command: &SimpleCommand) -> bool {
    let later = script.commands.iter().skip(index + 1);
    later
        .filter(|other| (other.pipeline, other.stage) == (command.pipeline, command.stage))
        .any(|other| other.words.is_empty() && other.assignments.is_empty() && has_input(script, other))
}

/// Options with which an `ssh` runs no shell, or one without our input.
const NO_SHELL: &[&str] = &["-N", "-W", "-O", "-V", "-Q", "-G", "-n", "-f"];

fn starts_shell(command: &SimpleCommand, dialect: Dialect) -> bool {
    let names_variable = |word: &Word| matches!(word.text.as_str(), "$SHELL" | "${SHELL}" | "$BASH" | "${BASH}" | "$0");
    if let Some(first) = command.words.first().filter(|first| names_variable(first)) {
        return shell_by_variable(first, command);
    }
    let Some(program) = command.program() else {
        return false;
    };
    let arguments = command.arguments();
    let wraps_nothing = || unwrap(command, dialect).is_empty();
    match program {
        "ssh" | "autossh" => wraps_nothing() && !arguments.iter().any(|word| NO_SHELL.contains(&word.text.as_str())),
        "parallel" | "run0" | "lxc-attach" => wraps_nothing(),
        _ => !is_shell(program) && opens_shell(program, arguments, wraps_nothing),
    }
}

/// `$SHELL -s` reads as `sh -s` does.
fn shell_by_variable(first: &Word, command: &SimpleCommand) -> bool {
    let mut named = command.clone();
    if let Some(word) = named.words.first_mut() {
        *word = Word {
            text: "sh".to_owned(),
            constant: true,
            ..first.clone()
        };
    }
    reads_commands(&named)
}

/// Whether an option is given, a letter also within a cluster.
fn has_option(arguments: &[Word], option: &str) -> bool {
    arguments.iter().any(|word| {
        let cluster = word.text.strip_prefix('-').filter(|cluster| !cluster.starts_with('-'));
        word.text == option || (option.len() == 1 && cluster.is_some_and(|cluster| cluster.contains(option)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::parse;

    fn read(command: &str) -> Option<Stdin> {
        program_on_stdin(&parse(command, Dialect::Bash))
    }

    fn text(command: &str) -> Option<String> {
        match read(command)? {
            Stdin::Text(interpreted) => Some(interpreted.command_line("it's")),
            Stdin::Commands(_) => None,
        }
    }

    #[test]
    fn shells_without_a_script_of_their_own_read_commands() {
        for (command, dialect) in [
            ("bash", Dialect::Bash),
            ("bash -s", Dialect::Bash),
            ("bash -s -- a b", Dialect::Bash),
            ("/bin/sh -", Dialect::Sh),
            ("sh /dev/stdin a", Dialect::Sh),
            ("bash < /dev/stdin", Dialect::Bash),
            ("bash 3< f", Dialect::Bash),
            ("exec 3<&0; bash <&3", Dialect::Bash),
            ("bash < \"$f\"", Dialect::Bash),
            ("cat | bash", Dialect::Bash),
            ("tee log | sudo sh -s", Dialect::Sh),
            ("zsh -l", Dialect::Zsh),
            ("fish", Dialect::Fish),
            ("dash", Dialect::Sh),
            ("ksh -eu", Dialect::Sh),
            ("bash -o pipefail -s", Dialect::Bash),
            ("exec bash --login", Dialect::Bash),
            ("$SHELL -s", Dialect::Bash),
            ("exec \"$SHELL\"", Dialect::Bash),
            ("$0", Dialect::Bash),
            ("cat /dev/stdin | bash", Dialect::Bash),
            ("cat - | lksh", Dialect::Sh),
            ("fish -c source", Dialect::Bash),
            ("tee >(bash)", Dialect::Bash),
            ("sudo -u bob env A=b nohup bash -s", Dialect::Bash),
            ("timeout 5 busybox sh", Dialect::Sh),
            ("cd /x && bash -s", Dialect::Bash),
            ("bash -s | tee log", Dialect::Bash),
            ("bash -c 'exec zsh'", Dialect::Zsh),
            ("x=$(bash)", Dialect::Bash),
            ("while read l; do sh; done", Dialect::Sh),
            ("source /dev/stdin", Dialect::Bash),
            ("at now", Dialect::Sh),
            ("docker exec -i c sh", Dialect::Sh),
            ("kubectl exec -i pod -- bash", Dialect::Bash),
            ("ssh third bash -s", Dialect::Bash),
        ] {
            assert_eq!(read(command), Some(Stdin::Commands(dialect)), "{command}");
        }
    }

    #[test]
    fn some_programs_start_a_shell_where_no_command_is_given() {
        for command in [
            "sudo -i",
            "sudo -su bob",
            "sudo --login",
            "doas -s",
            "su",
            "su - bob",
            "runuser -l bob",
            "ssh third",
            "ssh -p 22 bob@third",
            "chroot /mnt",
            "nsenter -t 1 -m",
            "unshare -r",
            "sudo su -",
            "ssh -T third",
            "vagrant ssh",
        ] {
            assert_eq!(read(command), Some(Stdin::Commands(Dialect::Bash)), "{command}");
        }
    }

    #[test]
    fn other_input_is_data() {
        for command in [
            "cat",
            "cat > f",
            "tar xz",
            "bash -c 'cat > f'",
            "bash script.sh",
            "sh -e script.sh",
            "echo ls | bash",
            "cat f | bash",
            "gunzip | bash",
            "cat < f | bash",
            "bash < script.sh",
            "bash <<E\nls\nE",
            "bash <<< ls",
            "sudo bash < f",
            "sudo -i cat",
            "sudo cat",
            "sudo -l",
            "su bob -c cat",
            "ssh third cat",
            "ssh -N third",
            "chroot /mnt cat",
            "while read l; do bash; done < f",
            "xargs bash",
            "xargs -n1 sh -c 'echo $0'",
            "bash --version",
            "rsync --server . /x",
            "scp -t f",
            "bash <(curl x)",
            "psql -f f",
            "git-receive-pack x",
            "bash -c 'bash' < f",
            "bash <&-",
            "docker exec -i c cat",
            "alias x=bash",
        ] {
            assert_eq!(read(command), None, "{command}");
        }
    }

    #[test]
    fn other_interpreters_read_a_text() {
        for (command, equal) in [
            ("python3 -", "python3 -c 'it'\\''s'"),
            ("python3", "python3 -c 'it'\\''s'"),
            ("sudo /usr/bin/python3.12 -u - a b", "python3.12 -u -c 'it'\\''s'"),
            ("python3 -W ignore", "python3 -W ignore -c 'it'\\''s'"),
            ("/bin/sh -c 'python3 && sleep 0'", "python3 -c 'it'\\''s'"),
            ("perl", "perl -e 'it'\\''s'"),
            ("perl -w -", "perl -w -e 'it'\\''s'"),
            ("ruby", "ruby -e 'it'\\''s'"),
            ("node -", "node -e 'it'\\''s'"),
            ("php", "php -r 'it'\\''s'"),
            ("psql -U postgres shop", "psql -U postgres shop -c 'it'\\''s'"),
            ("mysql -uroot -psecret shop", "mysql -uroot -psecret shop -e 'it'\\''s'"),
            ("sqlite3 app.db", "sqlite3 app.db 'it'\\''s'"),
            ("sqlite3", "sqlite3 :memory: 'it'\\''s'"),
        ] {
            assert_eq!(text(command).as_deref(), Some(equal), "{command}");
        }
    }

    #[test]
    fn an_interpreter_with_a_text_of_its_own_reads_data() {
        for command in [
            "python3 -c 'import sys'",
            "python3 -uc pass",
            "python3 -m json.tool",
            "python3 f.py",
            "perl -ne print",
            "perl f.pl",
            "ruby -e 1",
            "node f.js",
            "node --eval 1",
            "php -r 1",
            "psql -c 'select 1'",
            "psql --file=f",
            "mysql -e 'select 1'",
            "sqlite3 app.db 'select 1'",
            "python3 < f",
            "echo 1 | python3",
            "python3 --version",
        ] {
            assert_eq!(read(command), None, "{command}");
        }
    }

    #[test]
    fn a_password_may_come_first() {
        for (command, as_root, expected) in [
            ("sudo -S bash", false, true),
            ("sudo -nSu bob bash", true, true),
            ("sudo --stdin -i", false, true),
            ("sudo -i", false, false),
            ("cat | sudo -S bash", false, true),
            ("echo x | sudo -S bash", false, false),
            ("su - bob", false, true),
            ("su - bob", true, false),
            ("sudo su - bob", false, false),
            ("bash", false, false),
        ] {
            assert_eq!(
                password_on_stdin(&parse(command, Dialect::Bash), as_root),
                expected,
                "{command}"
            );
        }
    }

    #[test]
    fn the_equal_command_parses_to_the_interpreter_and_its_text() {
        let Some(Stdin::Text(interpreted)) = read("python3 -") else {
            panic!("python3 reads a program there");
        };
        let script = parse(&interpreted.command_line("a = 'b'\n\"c\" \\ $d\n"), Dialect::Bash);
        let words: Vec<&str> = script.commands[0].words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(words, ["python3", "-c", "a = 'b'\n\"c\" \\ $d\n"]);
        assert!(script.understood());
    }
}
