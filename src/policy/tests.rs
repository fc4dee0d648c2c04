use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A policy without conditions: shell and exec, and a decision of its own for each level.
pub(super) fn policy(name: &str) -> Policy {
    Policy {
        name: name.into(),
        users: None,
        roles: None,
        targets: None,
        labels: BTreeMap::new(),
        logins: None,
        channels: vec![Channel::Shell, Channel::Exec],
        forward_to: None,
        decisions: [Decision::Allow, Decision::Warn, Decision::Confirm, Decision::Deny],
        unknown: Decision::Confirm,
        remember: Duration::from_mins(1),
        http_answers: false,
        files: Vec::new(),
    }
}

fn list(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect()
}

/// What the policies say to alice (sre, oncall) on web-1 (env = prod, tier = front) as deploy.
fn decide(policies: &[Policy], channel: Channel, level: Option<Level>) -> Verdict {
    decide_on(policies, channel, &Matter::Command(level))
}

fn decide_on(policies: &[Policy], channel: Channel, matter: &Matter) -> Verdict {
    Policies::new(policies).decide(&Request {
        user: &name("alice"),
        roles: &[name("sre"), name("oncall")],
        target: &name("web-1"),
        labels: &labels(&[("env", "prod"), ("tier", "front")]),
        login: "deploy",
        channel,
        matter,
    })
}

/// Whether alice may answer over HTTP what a policy asks her.
fn http_answers(is_set: bool, matter: &Matter) -> bool {
    let policy = Policy {
        http_answers: is_set,
        ..policy("p")
    };
    Policies::new(&[policy]).lets_http_answer(&Request {
        user: &name("alice"),
        roles: &[],
        target: &name("web-1"),
        labels: &BTreeMap::new(),
        login: "deploy",
        channel: Channel::Exec,
        matter,
    })
}

#[test]
fn http_answers_what_the_policy_says_but_never_what_is_critical() {
    let command = |level| Matter::Command(level);
    assert!(http_answers(true, &command(Some(Level::High))));
    assert!(http_answers(true, &command(None)));
    assert!(!http_answers(true, &command(Some(Level::Critical))));
    assert!(!http_answers(
        true,
        &Matter::Transfer(Some(Level::Critical), Vec::new())
    ));
    assert!(!http_answers(false, &command(Some(Level::High))));
}

#[test]
fn every_level_has_the_decision_that_the_policy_gives() {
    for (level, expected) in [
        (Some(Level::Low), Decision::Allow),
        (Some(Level::Medium), Decision::Warn),
        (Some(Level::High), Decision::Confirm),
        (Some(Level::Critical), Decision::Deny),
        (None, Decision::Confirm),
    ] {
        let verdict = decide(&[policy("p")], Channel::Exec, level);
        assert_eq!(
            (verdict.decision, verdict.rule.as_deref()),
            (expected, Some("p")),
            "{level:?}"
        );
    }
}

/// What is restricted, how, and whether the policy still applies.
type Restriction = (&'static str, fn(&mut Policy), bool);

#[test]
fn a_condition_that_does_not_hold_leaves_the_policy_out() {
    let cases: [Restriction; 17] = [
        ("user", |p| p.users = Some(list(&["alice"])), true),
        ("user pattern", |p| p.users = Some(list(&["bob", "a*"])), true),
        ("another user", |p| p.users = Some(list(&["bob"])), false),
        ("a name is matched whole", |p| p.users = Some(list(&["alic"])), false),
        ("role", |p| p.roles = Some(list(&["oncall"])), true),
        ("another role", |p| p.roles = Some(list(&["dba"])), false),
        ("target", |p| p.targets = Some(list(&["web-?"])), true),
        ("another target", |p| p.targets = Some(list(&["db-*"])), false),
        ("login", |p| p.logins = Some(list(&["deploy"])), true),
        ("another login", |p| p.logins = Some(list(&["root"])), false),
        ("label", |p| p.labels = labels(&[("env", "prod")]), true),
        (
            "labels",
            |p| p.labels = labels(&[("env", "prod"), ("tier", "front")]),
            true,
        ),
        ("label's value", |p| p.labels = labels(&[("env", "test")]), false),
        (
            "one label too many",
            |p| p.labels = labels(&[("env", "prod"), ("x", "y")]),
            false,
        ),
        ("a label is no pattern", |p| p.labels = labels(&[("env", "*")]), false),
        ("an empty list", |p| p.users = Some(Vec::new()), false),
        (
            "one of two",
            |p| (p.users, p.targets) = (Some(list(&["alice"])), Some(list(&["db-1"]))),
            false,
        ),
    ];
    for (what, restrict, applies) in cases {
        let mut restricted = policy("p");
        restrict(&mut restricted);
        let verdict = decide(&[restricted], Channel::Exec, Some(Level::Low));
        assert_eq!(verdict.decision == Decision::Allow, applies, "{what}");
        assert_eq!(verdict.rule.is_some(), applies, "{what}");
    }
}

#[test]
fn a_channel_that_is_not_listed_is_denied_by_the_policy_that_applies() {
    let verdict = decide(&[policy("first"), policy("second")], Channel::Sftp, Some(Level::Low));
    assert_eq!(
        (verdict.decision, verdict.rule.as_deref()),
        (Decision::Deny, Some("first"))
    );
}

#[test]
fn forward_covers_both_directions_and_nothing_else() {
    for (listed, asked, allowed) in [
        (Channel::Forward, Channel::LocalForward, true),
        (Channel::Forward, Channel::RemoteForward, true),
        (Channel::LocalForward, Channel::LocalForward, true),
        (Channel::LocalForward, Channel::RemoteForward, false),
        (Channel::RemoteForward, Channel::LocalForward, false),
        (Channel::LocalForward, Channel::Forward, false),
        (Channel::Forward, Channel::Agent, false),
        (Channel::Forward, Channel::Exec, false),
    ] {
        let mut only = policy("p");
        only.channels = vec![listed];
        let verdict = decide(&[only], asked, Some(Level::Low));
        assert_eq!(verdict.decision == Decision::Allow, allowed, "{listed} {asked}");
    }
}

#[test]
fn only_a_confirmation_below_critical_is_remembered() {
    let mut asks = policy("p");
    asks.decisions = [Decision::Allow, Decision::Confirm, Decision::Confirm, Decision::Confirm];
    for (level, seconds) in [
        (Some(Level::Low), 0),
        (Some(Level::Medium), 60),
        (Some(Level::High), 60),
        (Some(Level::Critical), 0),
        (None, 0),
    ] {
        let verdict = decide(std::slice::from_ref(&asks), Channel::Exec, level);
        assert_eq!(verdict.remember, Duration::from_secs(seconds), "{level:?}");
    }
}

#[test]
fn early_refusal_knows_who_may_do_nothing_at_all() {
    let config = crate::config::Config::parse(CONFIG, std::path::Path::new("/c.toml")).unwrap();
    let policies = Policies::new(&config.policies);
    let (user, target) = (&config.users[0], &config.targets[0]);
    assert!(policies.permits(user, target, "deploy", Channel::Exec));
    assert!(!policies.permits(user, target, "deploy", Channel::Shell), "not listed");
    assert!(
        !policies.permits(user, target, "root", Channel::Exec),
        "denied at every level"
    );
    assert!(!policies.permits(user, target, "other", Channel::Exec), "no policy");
    assert!(policies.admits(user, target, "deploy"));
    assert!(!policies.admits(user, target, "root"));
}

const CONFIG: &str = r#"
[[users]]
name = "alice"
[[targets]]
name = "web-1"
address = "h:22"
login = "deploy"
logins = ["root"]
identity = "k"
host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW"
[[policies]]
name = "deploy"
logins = ["deploy"]
channels = ["exec"]
low = "allow"
medium = "deny"
high = "deny"
critical = "deny"
unknown = "deny"
[[policies]]
name = "root"
logins = ["root"]
channels = ["exec"]
low = "deny"
medium = "deny"
high = "deny"
critical = "deny"
unknown = "deny"
"#;

fn any_channel() -> impl Strategy<Value = Channel> {
    prop::sample::select(Channel::ALL)
}

fn any_level() -> impl Strategy<Value = Option<Level>> {
    prop::option::of(prop::sample::select(Level::ALL))
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let users = prop::option::of(prop::sample::select(vec!["alice", "bob", "*", "b*"]));
    let decisions = prop::array::uniform5(prop::sample::select(Decision::ALL));
    let channels = prop::collection::vec(any_channel(), 0..4);
    ("[a-z]{4}", users, decisions, channels).prop_map(|(name, users, decisions, channels)| {
        let [low, medium, high, critical, unknown] = decisions;
        Policy {
            users: users.map(|user| list(&[user])),
            decisions: [low, medium, high, critical],
            unknown,
            channels,
            ..policy(&name)
        }
    })
}

proptest! {
    #[test]
    fn without_a_policy_everything_is_denied(channel in any_channel(), level in any_level()) {
        let verdict = decide(&[], channel, level);
        prop_assert_eq!((verdict.decision, verdict.rule), (Decision::Deny, None));
    }

    #[test]
    fn the_first_policy_that_applies_decides_alone(
        policies in prop::collection::vec(any_policy(), 0..5),
        channel in any_channel(),
        level in any_level(),
    ) {
        let first = policies.iter().find(|policy| {
            let users = policy.users.as_deref().map(|users| users[0].as_str());
            users.is_none_or(|user| ["alice", "*"].contains(&user))
        });
        let alone: Vec<_> = first.cloned().into_iter().collect();
        prop_assert_eq!(decide(&policies, channel, level), decide(&alone, channel, level));
        prop_assert_eq!(decide(&policies, channel, level).rule, first.map(|policy| policy.name.clone()));
    }

    #[test]
    fn what_no_listed_channel_covers_is_never_allowed(
        policies in prop::collection::vec(any_policy(), 0..5),
        level in any_level(),
    ) {
        let without: Vec<_> = policies
            .into_iter()
            .map(|policy| Policy { channels: vec![Channel::Shell], ..policy })
            .collect();
        prop_assert_eq!(decide(&without, Channel::X11, level).decision, Decision::Deny);
    }
}

#[test]
fn what_runs_no_command_is_allowed_where_its_channel_is_listed() {
    let matter = Matter::Access(Access::Channel {
        verb: "subsystem",
        name: "sftp".into(),
    });
    let mut listed = policy("p");
    assert_eq!(
        decide_on(&[listed.clone()], Channel::Sftp, &matter).decision,
        Decision::Deny
    );
    listed.channels = vec![Channel::Sftp];
    assert_eq!(
        decide_on(&[listed.clone()], Channel::Sftp, &matter).decision,
        Decision::Allow
    );
    listed.decisions = [Decision::Deny; Level::ALL.len()];
    listed.unknown = Decision::Deny;
    assert_eq!(
        decide_on(&[listed], Channel::Sftp, &matter).decision,
        Decision::Deny,
        "allows nothing at all"
    );
}
