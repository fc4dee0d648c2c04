//! Variables that a user sets.

use super::rows_of;
use crate::harness::{Sshd, World};

const MORE: &str =
    "FOO=1 LANG=C NO_COLOR=1 COLORTERM=truecolor LD_PRELOAD=/nothing.so BASH_ENV=/nothing PYTHONPATH=/nothing";

fn environment(channels: &str) -> (World, String) {
    let world = World::on(Sshd::start_with("AcceptEnv *\n"), |config| {
        config.policies = config.policies.replace("[\"shell\", \"exec\"]", channels);
    });
    let text = world.alice().set_env(MORE).run("env").text();
    (world, text)
}

fn has(environment: &str, variable: &str) -> bool {
    environment.lines().any(|line| line == variable)
}

#[test]
fn the_usual_variables_pass_and_no_others() {
    let (world, environment) = environment("[\"exec\"]");
    for variable in ["LANG=C", "NO_COLOR=1", "COLORTERM=truecolor"] {
        assert!(has(&environment, variable), "{variable}: {environment}");
    }
    for name in ["FOO=", "LD_PRELOAD=", "BASH_ENV=", "PYTHONPATH="] {
        assert!(!environment.contains(name), "{name}: {environment}");
    }
    assert_eq!(world.bastion.row().channel, "exec");
}

#[test]
fn a_policy_may_let_others_pass_but_never_the_dangerous_ones() {
    let (world, environment) = environment("[\"exec\", \"env\"]");
    assert!(has(&environment, "FOO=1"), "{environment}");
    for name in ["LD_PRELOAD=", "BASH_ENV=", "PYTHONPATH="] {
        assert!(!environment.contains(name), "{name}: {environment}");
    }
    let row = rows_of(&world, "set", 1).remove(0);
    assert_eq!((row.command.as_str(), row.channel.as_str()), ("set FOO", "env"));
}
