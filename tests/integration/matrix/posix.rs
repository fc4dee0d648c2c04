//! Shells without a hook before a command: dash, whose lines the kernel edits, and others, which edit them themselves.

use super::common::{after_lines, edited, everywhere, over_lines, posix_syntax, with_profiles};
use super::{Ended, More, Prompt, PromptIs, Runs, Scenario, See, Shell, Type, play_all, scenario};

#[test]
fn lines_are_known_and_nothing_passes() {
    let tally = play_all(
        Shell::Dash,
        &[
            everywhere(),
            posix_syntax(),
            typed(),
            over_lines(),
            settings(),
            continued(),
            prompts(),
            in_the_way(),
            rc_files(),
        ]
        .concat(),
    );
    assert!(tally.percent() >= 97.0, "{tally}");
}

/// What is typed plainly is known; a line made with other keys is not, and says so.
#[test]
fn lines_that_the_shell_edits_itself_are_known_or_said_not_to_be() {
    for (shell, percent) in [(Shell::Ash, 70.0), (Shell::Mksh, 70.0)] {
        // Keys that the shell makes nothing of, and refusals, which the next function has.
        let left_out = |scenario: &Scenario| {
            ["refused", "the last argument"]
                .iter()
                .any(|name| scenario.name.contains(name))
        };
        let mut scenarios = [everywhere(), posix_syntax(), edited()].concat();
        scenarios.retain(|scenario| !left_out(scenario));
        scenarios.extend(entered());
        let scenarios: Vec<_> = scenarios.into_iter().map(Scenario::may_be_unknown).collect();
        let tally = play_all(shell, &scenarios);
        assert!(tally.percent() >= percent, "{shell:?}: {tally}");
    }
}

/// Refusals, where the line editor draws the prompt again before the line is cancelled.
fn entered() -> Vec<Scenario> {
    vec![
        scenario(
            "not run",
            &[
                Type(b"touch RAN; rm -rf /zz\r"),
                See("denied by policy"),
                Prompt,
                Type(b"echo b\r"),
            ],
            &["touch RAN; rm -rf /zz", "echo b"],
        ),
        scenario(
            "not run in a paste",
            &[
                Type(b"echo a\rtouch RAN; rm -rf /zz\rtouch RAN\r"),
                See("denied by policy"),
                Prompt,
            ],
            &["echo a", "touch RAN; rm -rf /zz"],
        ),
        scenario(
            "not run, with SIGINT ignored",
            &[
                Type(b"trap '' INT\r"),
                Prompt,
                Type(b"touch RAN; rm -rf /zz\r"),
                See("denied by policy"),
                Prompt,
                Type(b"echo b\r"),
            ],
            &["trap '' INT", "touch RAN; rm -rf /zz", "echo b"],
        ),
        scenario(
            "an answer of the terminal among the keys",
            &[Type(b"\x1b[24;80Recho a\r")],
            &["echo a"],
        ),
    ]
}

/// What the settings of the terminal change.
fn settings() -> Vec<Scenario> {
    vec![
        scenario(
            "another erase key",
            &[Type(b"stty erase ^H\r"), Prompt, Type(b"echo onex\x08\x08e\x16\x7f2\r")],
            &["stty erase ^H", "echo one\x7f2"],
        ),
        scenario(
            "another kill key",
            &[Type(b"stty kill ^X\r"), Prompt, Type(b"rm -rf /x\x18echo a\r")],
            &["stty kill ^X", "echo a"],
        ),
        scenario(
            "^W among wide characters",
            &[Type("echo hé日 foo\x17bar\r".as_bytes())],
            &["echo hé日 bar"],
        ),
        scenario(
            "without an interrupt key",
            &[
                Type(b"stty intr undef\r"),
                Prompt,
                Type(b"touch RAN; rm -rf /zz\r"),
                Ended(2),
                Prompt,
                Type(b"echo b\r"),
            ],
            &["stty intr undef", "touch RAN; rm -rf /zz", "echo b"],
        ),
        scenario(
            "a line that is kept at an interrupt",
            &[
                Type(b"stty noflsh\r"),
                Prompt,
                Type(b"touch RAN; rm -rf /zz\r"),
                Ended(2),
                Prompt,
                Type(b"echo b\r"),
            ],
            &["stty noflsh", "touch RAN; rm -rf /zz", "echo b"],
        ),
        scenario(
            "without a line of the terminal's",
            &[
                Type(b"stty -icanon\r"),
                Prompt,
                Type(b"touch RAN; rm -rf /zz\r"),
                Ended(2),
                Prompt,
                Type(b"echo b\r"),
            ],
            &["stty -icanon", "touch RAN; rm -rf /zz", "echo b"],
        ),
        scenario(
            "carriage return is not Enter",
            &[
                Type(b"stty -icrnl\r"),
                Prompt,
                Type(b"echo a\n"),
                Ended(2),
                Prompt,
                Type(b"stty icrnl\n"),
            ],
            &["stty -icrnl", "echo a", "stty icrnl"],
        ),
        scenario("end of file within a line", &[Type(b"echo a\x04b\r")], &["echo ab"]),
        scenario(
            "a line end of the user's own",
            &[Type(b"stty eol x\r"), Prompt, Type(b"echo axb\x7f\x7fc\r")],
            &["stty eol x", "echo axc"],
        ),
    ]
}

/// Commands of several lines.
fn continued() -> Vec<Scenario> {
    vec![
        scenario(
            "refused at its last line",
            &[
                Type(b"for i in 1\r"),
                More,
                Type(b"do touch RAN; rm -rf /zz\r"),
                More,
                Type(b"done\r"),
                Ended(1),
                Prompt,
            ],
            &["for i in 1\ndo touch RAN; rm -rf /zz\ndone"],
        ),
        scenario(
            "given up at its second line",
            &[
                Type(b"echo 'a\r"),
                More,
                Type(b"rm -rf /zz\x03"),
                Prompt,
                Type(b"echo b\r"),
            ],
            &["echo b"],
        ),
        scenario(
            "pasted",
            &[Type(b"for i in 1 2\rdo echo $i\rdone\rcat <<E\rx\rE\recho z\r")],
            &["for i in 1 2\ndo echo $i\ndone", "cat <<E\nx\nE", "echo z"],
        ),
        scenario(
            "typed ahead",
            &[
                Type(b"sleep 0.5\r"),
                Runs,
                Type(b"cat <<E\rrm -rf /x\rE\r"),
                See("denied by policy"),
                Prompt,
                Type(b"echo 'a\rb'\r"),
            ],
            &["sleep 0.5", "cat <<E\nrm -rf /x\nE", "echo 'a\nb'"],
        ),
        scenario(
            "pasted far away",
            &[Type(b"if true\rthen echo a\rfi\recho z\r")],
            &["if true\nthen echo a\nfi", "echo z"],
        )
        .far(),
    ]
}

/// Other prompts.
fn prompts() -> Vec<Scenario> {
    vec![
        scenario(
            "another prompt",
            &[
                Type(b"PS1='new> '\r"),
                PromptIs("new> "),
                Prompt,
                Type(b"echo a\r"),
                Ended(2),
                Prompt,
                Type(b"touch RAN; rm -rf /zz\r"),
            ],
            &["PS1='new> '", "echo a", "touch RAN; rm -rf /zz"],
        ),
        scenario(
            "no prompt",
            &[Type(b"PS1=\r"), PromptIs(""), Ended(1), Type(b"echo np\r"), Ended(2)],
            &["PS1=", "echo np"],
        ),
        scenario(
            "a prompt around the old one",
            &[Type(b"PS1=\"(env) $PS1\"\r"), Prompt, Type(b"echo a\r")],
            &["PS1=\"(env) $PS1\"", "echo a"],
        ),
        scenario(
            "another shell in its place",
            &[
                Type(b"exec dash\r"),
                PromptIs(""),
                Runs,
                See("# "),
                Type(b"echo a\r"),
                See("a"),
            ],
            &["exec dash", "echo a"],
        )
        .may_be_unknown(),
        scenario(
            "vi mode of a shell without an editor",
            &[Type(b"set -o vi\r"), Prompt, Type(b"echo a\r")],
            &["set -o vi", "echo a"],
        ),
    ]
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
        ("IFS of digits", "IFS=0123456789"),
        ("set -f", "set -f"),
        ("set -C", "set -C"),
        ("set -a", "set -a"),
        ("set -v", "set -v"),
        ("set +m", "set +m"),
        ("a function printf", "printf() { :; }"),
        ("a function stty", "stty() { :; }"),
        ("a function read", "read() { :; }"),
        ("an alias of printf", "alias printf=false trap=false"),
    ])
}

/// What people have in their profiles.
fn rc_files() -> Vec<Scenario> {
    with_profiles(&[
        ("nothing", ""),
        ("a prompt that runs commands", "PS1='$(pwd >/dev/null)ready> '\n"),
        ("set -u", "set -u\n"),
        ("an INT trap", "trap 'echo caught' INT\n"),
        (
            "a file in ENV",
            "echo \"PS1='ready> '\" >~/rc\nexport ENV=~/rc\nPS1='wrong> '\n",
        ),
        ("set -e", "set -e\n"),
    ])
}
