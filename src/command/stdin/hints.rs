//! What the words of a command tell of a program on its standard input, where its name tells nothing.

use super::super::feed::descriptor;
use super::super::unwrap::{Inside, is_shell, unwrap};
use super::super::{Script, SimpleCommand, Word};
use super::Stdin;
use super::interpreters::is_interpreter;

/// How the record calls the input of a program that was told of a shell.
const SHELL: &str = "standard input of a program that may run a shell";

/// How the record calls the input of a program that was told where to find it.
const PATH: &str = "standard input of a program that is told its path";

/// Programs that keep, send or show what they read, or read nothing, whatever is among their words.
const KEEPING: &[&str] = &[
    "[",
    "adduser",
    "apk",
    "apt",
    "apt-get",
    "aptitude",
    "base64",
    "basename",
    "borg",
    "brew",
    "cat",
    "cd",
    "chmod",
    "chown",
    "chsh",
    "cksum",
    "cmp",
    "command",
    "cp",
    "cpio",
    "curl",
    "cut",
    "dd",
    "df",
    "diff",
    "dirname",
    "dnf",
    "docker",
    "dpkg",
    "du",
    "echo",
    "egrep",
    "export",
    "fgrep",
    "file",
    "git-receive-pack",
    "git-upload-pack",
    "gpg",
    "grep",
    "gunzip",
    "gzip",
    "hash",
    "head",
    "install",
    "jq",
    "kill",
    "killall",
    "kubectl",
    "ldd",
    "less",
    "ln",
    "ls",
    "mail",
    "mailx",
    "man",
    "md5sum",
    "mkdir",
    "more",
    "mv",
    "nl",
    "nm",
    "openssl",
    "pacman",
    "passwd",
    "pgrep",
    "pidof",
    "pip",
    "pip3",
    "pkill",
    "podman",
    "printf",
    "ps",
    "read",
    "readlink",
    "realpath",
    "restic",
    "rev",
    "rg",
    "rm",
    "rpm",
    "rsync",
    "scp",
    "sendmail",
    "service",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "snap",
    "sort",
    "split",
    "stat",
    "strings",
    "systemctl",
    "tac",
    "tail",
    "tar",
    "tee",
    "test",
    "touch",
    "tr",
    "type",
    "uniq",
    "unset",
    "unxz",
    "unzip",
    "useradd",
    "usermod",
    "wc",
    "wget",
    "whereis",
    "which",
    "xxd",
    "xz",
    "yq",
    "yum",
    "zcat",
    "zip",
    "zstd",
    "zypper",
];

/// What runs the standard input of a command that is told of a shell, or of where its input is.
pub(super) fn hinted(command: &SimpleCommand, script: &Script) -> Option<Stdin> {
    let program = command.program()?;
    let tells_itself = KEEPING.contains(&program) || is_shell(program) || is_interpreter(program);
    if tells_itself || runs_another(command, script) {
        return None;
    }
    let mut words = command.arguments().iter();
    if words.clone().any(names_shell) {
        return Some(Stdin::Unknown(SHELL));
    }
    words.any(names_path).then_some(Stdin::Unknown(PATH))
}

/// Whether what a command runs is a command of its own, and told of there.
fn runs_another(command: &SimpleCommand, script: &Script) -> bool {
    let is_found = |inside: &Inside| match inside {
        Inside::Words(words) => words.first().is_some_and(|word| !word.text.starts_with('-')),
        Inside::Text(..) => true,
        Inside::Unknown => false,
    };
    unwrap(command, script.dialect).iter().any(is_found)
}

/// `sh`, `--shell=/bin/sh`, `SHELL:sh`, `'bash -s'`.
fn names_shell(word: &Word) -> bool {
    let first = word.text.split_whitespace().next().unwrap_or_default();
    let mut parts = first.split(['=', ':', ',', '(', ';', '"', '\'']);
    parts.any(|part| match part.rsplit_once('/') {
        None => is_shell(part) || is_interpreter(part),
        // A directory of data may be called as an interpreter is.
        Some((directory, name)) => is_shell(name) || (directory.ends_with("bin") && is_interpreter(name)),
    })
}

/// `/dev/stdin`, `--file=/dev/stdin`, `source /dev/stdin`, `@/dev/fd/0`.
fn names_path(word: &Word) -> bool {
    let mut parts = word
        .text
        .split(|character: char| character.is_whitespace() || "=:,@('\"".contains(character));
    parts.any(|part| part.contains('/') && descriptor(part).is_some())
}
