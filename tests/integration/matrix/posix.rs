//! Shells without a hook before a command; dash stands for them.

use super::common::{after_lines, everywhere, posix_syntax, with_profiles};
use super::{More, Prompt, Runs, Scenario, See, Shell, Type, play_all, scenario};

#[test]
#[ignore = "dash has no hook yet"]
fn lines_are_known_and_nothing_passes() {
    let tally = play_all(
        Shell::Dash,
        &[everywhere(), posix_syntax(), typed(), in_the_way(), rc_files()].concat(),
    );
    assert!(tally.percent() >= 97.0, "{tally}");
}

fn typed() -> Vec<Scenario> {
    vec![
        scenario("a literal tab", &[Type(b"echo a\x16\tb\r")], &["echo a\tb"]),
        scenario(
            "wide characters",
            &[Type("echo hé日本語\r".as_bytes())],
            &["echo hé日本語"],
        ),
        scenario(
            "a continued line",
            &[Type(b"echo a \\\r"), More, Type(b"b\r")],
            &["echo a \\\nb"],
        ),
        scenario(
            "a here-document",
            &[Type(b"cat <<E\r"), More, Type(b"x y\r"), More, Type(b"E\r")],
            &["cat <<E\nx y\nE"],
        ),
        scenario(
            "a loop",
            &[
                Type(b"for i in 1 2\r"),
                More,
                Type(b"do echo $i\r"),
                More,
                Type(b"done\r"),
            ],
            &["for i in 1 2\ndo echo $i\ndone"],
        ),
        scenario(
            "Enter and a comment",
            &[Type(b"\r"), Prompt, Type(b"# rm -rf /x\r"), Prompt, Type(b"echo z\r")],
            &["echo z"],
        ),
        scenario(
            "a secret read without echo",
            &[
                Type(b"stty -echo; read p; stty echo; echo got\r"),
                Runs,
                Type(b"S3cretPw\r"),
                See("got"),
                Prompt,
                Type(b"echo done\r"),
            ],
            &["stty -echo; read p; stty echo; echo got", "echo done"],
        ),
    ]
}

/// Users who are in the gate's way, knowing or not. The line that does it is known, and those after it.
fn in_the_way() -> Vec<Scenario> {
    after_lines(&[
        ("no PATH", "PATH="),
        ("set -u", "set -u"),
        ("set -x", "set -x"),
        ("another IFS", "IFS=,"),
    ])
}

/// What people have in their profiles.
fn rc_files() -> Vec<Scenario> {
    with_profiles(&[
        ("nothing", ""),
        ("a prompt that runs commands", "PS1='$(pwd >/dev/null)ready> '\n"),
        ("set -u", "set -u\n"),
        ("an INT trap", "trap 'echo caught' INT\n"),
    ])
}
