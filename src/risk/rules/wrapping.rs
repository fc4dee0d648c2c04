//! What wraps, quotes or surrounds a command never makes it look more harmless.

use proptest::prelude::*;

use super::Rules;
use crate::command;
use crate::domain::{Dialect, Level};

const COMMANDS: &[&str] = &[
    "rm -rf /",
    "rm -rf /etc",
    "mkfs.ext4 /dev/sda1",
    "wipefs -a /dev/sda",
    "dd if=/dev/zero of=/dev/sda",
    "systemctl stop sshd",
    "iptables -F",
    "chmod -R 777 /",
    "shutdown -h now",
    "userdel -r root",
    "kubectl delete namespace production",
    "terraform destroy -auto-approve",
    "find / -delete",
    "ls -la",
    "git status",
];

/// Commands that run another; `%` is where, and it holds no quote.
const WRAPPERS: &[&str] = &[
    "sudo %",
    "env A=b %",
    "nice -n 3 %",
    "timeout 5 %",
    "nohup %",
    "stdbuf -oL %",
    "command %",
    "sh -c '%'",
    "eval '%'",
    "ssh host '%'",
    "docker exec web %",
    "find . -exec % \\;",
];
/// What may stand around any command.
const AROUND: &[&str] = &[
    "%",
    "(%)",
    "{ %; }",
    "true; %",
    "if true; then %; fi",
    "for i in 1; do %; done",
    "f() { %; }; f",
    "bash <<E\n%\nE",
    "x=$(%)",
];

fn quoted(command: &str, form: usize) -> String {
    let (program, rest) = command.split_once(' ').unwrap_or((command, ""));
    let (start, end) = program.split_at(1);
    let program = match form {
        0 => format!("'{program}'"),
        1 => format!("{start}\\{end}"),
        2 => format!("{start}\"\"{end}"),
        3 => format!("$(echo {program})"),
        4 => format!("/usr/bin/{program}"),
        _ => program.to_owned(),
    };
    format!("{program} {rest}")
}

proptest! {
    #[test]
    fn wrappers_and_quoting_never_lower_a_level(
        command in prop::sample::select(COMMANDS),
        form in 0_usize..6,
        wrappers in prop::collection::vec(prop::sample::select(WRAPPERS), 0..4),
        around in prop::sample::select(AROUND),
    ) {
        let rules = rules();
        let level = |text: &str| level(rules, text);
        let mut text = quoted(command, form);
        for wrapper in wrappers {
            // Quotes within quotes would end them.
            if !(wrapper.contains('\'') && text.contains('\'')) {
                text = wrapper.replace('%', &text);
            }
        }
        let text = around.replace('%', &text);
        prop_assert!(level(&text) >= level(command), "{text}");
    }
}

fn level(rules: &Rules, text: &str) -> Level {
    let reasons = rules.matches(&command::parse(text, Dialect::Bash));
    reasons.first().map_or(Level::Low, |reason| reason.level)
}

fn rules() -> &'static Rules {
    static RULES: std::sync::LazyLock<Rules> = std::sync::LazyLock::new(|| {
        let text = include_str!("../../../config/rules.toml");
        Rules::load(&[("rules.toml", text)]).unwrap()
    });
    &RULES
}
