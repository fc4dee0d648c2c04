//! The abstraction of a command under which equal kinds meet.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::unwrap::is_shell;
use super::{Origin, PATTERN_VERSION, Pattern, Script, SimpleCommand, Word, operand_class, redacted};

/// Programs whose first operand says what they do.
const WITH_SUBCOMMAND: &[&str] = &[
    "apt",
    "apt-get",
    "aptitude",
    "apk",
    "brew",
    "cargo",
    "conda",
    "crictl",
    "ctr",
    "dnf",
    "etcdctl",
    "firewall-cmd",
    "flatpak",
    "gem",
    "gh",
    "git",
    "go",
    "helm",
    "hg",
    "initctl",
    "ip",
    "journalctl",
    "kubeadm",
    "kubectl",
    "launchctl",
    "lxc",
    "make",
    "nft",
    "nmcli",
    "npm",
    "oc",
    "pacman",
    "parted",
    "pip",
    "pip3",
    "pm2",
    "podman",
    "poetry",
    "rabbitmqctl",
    "rclone",
    "redis-cli",
    "restic",
    "service",
    "snap",
    "supervisorctl",
    "svn",
    "systemctl",
    "terraform",
    "tofu",
    "ufw",
    "vagrant",
    "vault",
    "virsh",
    "yarn",
    "yum",
    "zfs",
    "zpool",
    "zypper",
];
/// Programs whose first two operands say what they do.
const WITH_TWO_SUBCOMMANDS: &[&str] = &["aws", "az", "docker", "doctl", "gcloud", "ip", "openstack", "oci", "sc"];
/// Programs whose options are words behind a single dash.
const LONG_BY_ONE_DASH: &[&str] = &[
    "find",
    "openssl",
    "java",
    "terraform",
    "tofu",
    "go",
    "gcc",
    "clang",
    "ffmpeg",
    "convert",
];
/// Programs for which a text is content, and no code.
const TEXT_IS_CONTENT: &[&str] = &[
    "echo", "git", "grep", "logger", "printf", "wall", "write", "egrep", "fgrep", "rg", "ag",
];

/// The normalised pattern of `script` and its hash.
///
/// Kept: programs, subcommands, options without their values, wrappers, redirections, the shape of pipelines, and of
/// each operand its class. Code in operands (`psql -c 'DROP ...'`) is kept as a digest, so that different code never
/// meets. What redaction hides is not kept in any form: the digest of a short secret would give it away.
#[must_use]
pub fn pattern(script: &Script) -> Pattern {
    pattern_of_redacted(&redacted(script))
}

/// The same of a script that is already without its secrets.
#[must_use]
pub fn pattern_of_redacted(script: &Script) -> Pattern {
    let mut text = String::new();
    let mut before: Option<&SimpleCommand> = None;
    for (index, command) in script.commands.iter().enumerate() {
        text.push_str(separator(before, command));
        text.push_str(&normalised(command, own_words(&script.commands, index)));
        before = Some(command);
    }
    if script.commands.is_empty() && !script.text.trim().is_empty() {
        text = digest(&[b"text", script.text.trim().as_bytes()], 8);
    }
    let hash = digest(&[&PATTERN_VERSION.to_be_bytes(), text.as_bytes()], 16);
    Pattern { text, hash }
}

/// The first `length` bytes of a SHA-256, in hexadecimal.
fn digest(parts: &[&[u8]], length: usize) -> String {
    let sum = parts.iter().fold(Sha256::new(), Digest::chain_update).finalize();
    sum.iter().take(length).fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap_or_default();
        hex
    })
}

fn separator(before: Option<&SimpleCommand>, command: &SimpleCommand) -> &'static str {
    match (&command.origin, before) {
        (Origin::Wrapped(_), _) => " : ",
        (Origin::Inner(_), _) => " > ",
        (Origin::Substitution, _) => " $ ",
        (Origin::Direct, None) => "",
        (Origin::Direct, Some(_)) if command.stage > 0 => " | ",
        (Origin::Direct, Some(_)) => " ; ",
    }
}

/// The words of a command without those of the command that it wraps.
fn own_words(commands: &[SimpleCommand], index: usize) -> &[Word] {
    let Some(command) = commands.get(index) else { return &[] };
    let wrapped = commands
        .get(index + 1)
        .filter(|next| matches!(next.origin, Origin::Wrapped(_)) && next.depth == command.depth + 1);
    match wrapped {
        Some(wrapped) if command.words.ends_with(&wrapped.words) => command
            .words
            .get(..command.words.len() - wrapped.words.len())
            .unwrap_or_default(),
        _ => &command.words,
    }
}

fn normalised(command: &SimpleCommand, words: &[Word]) -> String {
    let mut parts = Vec::new();
    parts.extend(
        command
            .assignments
            .iter()
            .map(|assignment| format!("{}=", assignment.name)),
    );
    if let Some((_, arguments)) = words.split_first() {
        let program = command.program().unwrap_or("?");
        parts.push(program.to_owned());
        parts.extend(operations(program, arguments));
    }
    let redirections = command
        .redirections
        .iter()
        .filter(|redirection| !redirection.operator.ends_with('&'));
    parts.extend(redirections.map(|redirection| {
        let is_text = redirection.operator.starts_with("<<");
        let class = if is_text {
            "text"
        } else {
            operand_class(&redirection.target).as_str()
        };
        format!("{}{class}", redirection.operator)
    }));
    parts.join(" ")
}

/// Subcommand, sorted flags and sorted classes of operands.
fn operations(program: &str, arguments: &[Word]) -> Vec<String> {
    let wanted = subcommands(program);
    let mut spoken = Vec::new();
    let mut flags = BTreeSet::new();
    let mut operands = BTreeSet::new();
    for word in arguments {
        if is_flag(word) {
            flags.extend(flag_names(program, &word.text));
        } else if spoken.len() < wanted && is_verb(word) {
            spoken.push(word.text.clone());
        } else {
            operands.insert(operand(program, word));
        }
    }
    spoken.into_iter().chain(flags).chain(operands).collect()
}

fn subcommands(program: &str) -> usize {
    if WITH_TWO_SUBCOMMANDS.contains(&program) {
        2
    } else {
        usize::from(WITH_SUBCOMMAND.contains(&program))
    }
}

fn is_verb(word: &Word) -> bool {
    word.constant
        && word
            .text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte))
}

fn is_flag(word: &Word) -> bool {
    word.text.len() > 1 && word.text.starts_with('-') && !word.text.contains(char::is_whitespace)
}

/// `-rf` is `-f` and `-r`; of `--name=value` the name.
fn flag_names(program: &str, text: &str) -> Vec<String> {
    let name = text.split_once('=').map_or(text, |(name, _)| name);
    let letters = name.get(1..).unwrap_or_default();
    let is_cluster = !name.starts_with("--") && letters.len() <= 6 && !LONG_BY_ONE_DASH.contains(&program);
    if is_cluster && letters.starts_with(|first: char| first.is_ascii_alphabetic()) {
        let letters = letters.chars().take_while(char::is_ascii_alphabetic);
        return letters.map(|letter| format!("-{letter}")).collect();
    }
    vec![name.to_owned()]
}

fn operand(program: &str, word: &Word) -> String {
    let is_mode = matches!(program, "chmod" | "kill" | "killall" | "pkill" | "init" | "telinit");
    if is_mode && word.constant && word.text.len() <= 9 && !word.text.contains('/') {
        return word.text.clone();
    }
    if is_shell(program) && word.text.contains(char::is_whitespace) {
        return "text".to_owned();
    }
    if word.text.contains(char::is_whitespace) && !TEXT_IS_CONTENT.contains(&program) {
        return format!("text#{}", digest(&[word.text.as_bytes()], 4));
    }
    match word.text.split_once('=') {
        Some((name, value)) if is_verb_text(name) => {
            let value = Word {
                text: value.to_owned(),
                ..word.clone()
            };
            format!("{name}={}", operand_class(&value).as_str())
        }
        _ => operand_class(word).as_str().to_owned(),
    }
}

fn is_verb_text(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::parse;
    use crate::domain::Dialect;

    fn text(line: &str) -> String {
        pattern(&parse(line, Dialect::Bash)).text
    }

    fn meet(left: &str, right: &str) -> bool {
        let hash = |line| pattern(&parse(line, Dialect::Bash)).hash;
        hash(left) == hash(right)
    }

    #[test]
    fn a_pattern_names_program_subcommand_flags_classes_and_shape() {
        for (line, expected) in [
            ("rm -rf /", "rm -f -r root"),
            ("rm -r -f ./build", "rm -f -r relative"),
            (
                "sudo -n systemctl restart nginx",
                "sudo -n : systemctl restart relative",
            ),
            (
                "cat /etc/passwd | grep root > /tmp/x",
                "cat system | grep relative >tmp",
            ),
            ("docker container rm -f web", "docker container rm -f relative"),
            ("dd if=/dev/zero of=/dev/sda bs=1M", "dd bs=relative if=tmp of=device"),
            ("chmod -R 777 /srv/www", "chmod -R 777 data"),
            ("echo $(date); A=1 make", "echo opaque $ date ; A= make"),
            ("sh -c 'rm /etc/x'", "sh -c text > rm system"),
        ] {
            assert_eq!(text(line), expected, "{line}");
        }
    }

    #[test]
    fn equal_kinds_meet() {
        assert!(meet("rm -rf ./build", "rm  -fr target"));
        assert!(meet("git push origin main", "git push upstream dev"));
        assert!(meet("tail -n 50 /var/log/syslog", "tail -n 100 /var/log/auth.log"));
    }

    #[test]
    fn different_kinds_never_meet() {
        for (left, right) in [
            ("rm -rf ./build", "rm -rf /"),
            ("rm -rf /tmp/x", "rm -rf /etc"),
            ("rm -rf ./a", "rm -rf *"),
            ("git push", "git push --force"),
            ("systemctl status sshd", "systemctl stop sshd"),
            ("psql -c 'SELECT 1'", "psql -c 'DROP TABLE users'"),
            ("cat x", "sudo cat x"),
            ("cat x", "cat x > /etc/passwd"),
            ("cat x", "cat < x"),
            ("chmod 644 x", "chmod 777 x"),
            ("ls | sh", "ls ; sh"),
        ] {
            assert!(!meet(left, right), "{left} / {right}");
        }
    }
}
