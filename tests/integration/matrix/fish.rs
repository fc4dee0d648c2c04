//! fish.

use super::common::{after_lines, edited, everywhere, with_profiles};
use super::{Ended, Prompt, PromptIs, Runs, Scenario, See, Shell, Type, play_all, scenario};

#[test]
#[ignore = "fish has no hook yet"]
fn lines_are_known_and_nothing_passes() {
    let tally = play_all(
        Shell::Fish,
        &[
            everywhere(),
            edited(),
            editing(),
            several(),
            keys(),
            in_the_way(),
            rc_files(),
        ]
        .concat(),
    );
    assert!(tally.percent() >= 97.0, "{tally}");
}

fn editing() -> Vec<Scenario> {
    vec![
        scenario(
            "completion",
            &[Type(b"cat uniq\t"), See("uefile_zzz"), Type(b"\r")],
            &["cat uniquefile_zzz"],
        ),
        scenario(
            "^R",
            &[
                Type(b"echo alpha\r"),
                Prompt,
                Type(b"echo beta\r"),
                Prompt,
                Type(b"\x12alph"),
                See("alpha"),
                Type(b"\r"),
                Type(b"\r"),
            ],
            &["echo alpha", "echo beta", "echo alpha"],
        ),
        scenario(
            "vi mode",
            &[
                Type(b"fish_vi_key_bindings\r"),
                PromptIs("ready> "),
                Ended(1),
                Prompt,
                Type(b"echo abx"),
                See("abx"),
                Type(b"\x1b"),
                See("N"),
                Type(b"xAc"),
                Type(b"\r"),
            ],
            &["fish_vi_key_bindings", "echo abc"],
        ),
        scenario(
            "a prompt on the right",
            &[
                Type(b"function fish_right_prompt; set_color red; echo right; end\r"),
                PromptIs("right"),
                Prompt,
                Type(b"echo rp\r"),
            ],
            &["function fish_right_prompt; set_color red; echo right; end", "echo rp"],
        ),
        scenario(
            "no prompt",
            &[
                Type(b"function fish_prompt; end\r"),
                PromptIs(""),
                Ended(1),
                Type(b"echo np\r"),
            ],
            &["function fish_prompt; end", "echo np"],
        ),
        scenario(
            "a suggestion that is taken",
            &[
                Type(b"echo suggest-me-long\r"),
                Prompt,
                Type(b"echo sugg"),
                See("est-me-long"),
                Type(b"\x1b[C"),
                Type(b"\r"),
            ],
            &["echo suggest-me-long", "echo suggest-me-long"],
        ),
        scenario(
            "a suggestion that is not taken",
            &[
                Type(b"echo ghost-tail\r"),
                Prompt,
                Type(b"echo gho"),
                See("st-tail"),
                Type(b"\r"),
            ],
            &["echo ghost-tail", "echo gho"],
        ),
        scenario(
            "a key for the editor",
            &[Type(b"echo tmpl\x1be"), See("edited"), Type(b"\r")],
            &["echo edited"],
        ),
        scenario(
            "an abbreviation",
            &[Type(b"abbr -a ec echo\r"), Prompt, Type(b"ec ab\r")],
            &["abbr -a ec echo", "echo ab"],
        ),
        scenario(
            "an abbreviation that is refused",
            &[Type(b"touch RAN; gz /zz\r"), Prompt, Type(b"echo b\r")],
            &["touch RAN; rm -rf /zz", "echo b"],
        )
        .with_profile("abbr -a --position anywhere gz 'rm -rf'\n"),
        scenario(
            "a line that the history leaves out",
            &[
                Type(b" echo sp\r"),
                Prompt,
                Type(b"echo dup\r"),
                Prompt,
                Type(b"echo dup\r"),
            ],
            &[" echo sp", "echo dup", "echo dup"],
        ),
        scenario(
            "read -s",
            &[
                Type(b"read -s p; echo got\r"),
                Runs,
                Type(b"S3cretPw\r"),
                See("got"),
                Prompt,
                Type(b"echo done\r"),
            ],
            &["read -s p; echo got", "echo done"],
        ),
        scenario(
            "read, with echo",
            &[
                Type(b"read p; echo got\r"),
                Runs,
                Type(b"rm -rf /x\r"),
                See("got"),
                Prompt,
                Type(b"echo done\r"),
            ],
            &["read p; echo got", "echo done"],
        ),
    ]
}

fn several() -> Vec<Scenario> {
    vec![
        scenario("a continued line", &[Type(b"echo a \\\rb\r")], &["echo a \\\nb"]),
        scenario("an open quote", &[Type(b"echo 'a\rb'\r")], &["echo 'a\nb'"]),
        scenario(
            "a loop",
            &[Type(b"for i in 1 2\recho $i\rend\r")],
            &["for i in 1 2\n    echo $i\nend"],
        ),
        scenario(
            "a bracketed paste, which is one command",
            &[Type(b"\x1b[200~echo p1\recho p2\x1b[201~"), See("p2"), Type(b"\r")],
            &["echo p1\necho p2"],
        ),
        scenario("Enter alone", &[Type(b"\r"), Prompt, Type(b"echo z\r")], &["echo z"]),
        scenario(
            "a refused block with a redirection",
            &[Type(b"begin; rm -rf /zz; end >RAN\r")],
            &["begin; rm -rf /zz; end >RAN"],
        ),
        scenario(
            "a refused substitution",
            &[Type(b"for i in (touch RAN; rm -rf /zz); true; end\r")],
            &["for i in (touch RAN; rm -rf /zz); true; end"],
        ),
    ]
}

fn keys() -> Vec<Scenario> {
    vec![
        scenario(
            "a key that enters a line of its own",
            &[
                Type(b"bind \\ct 'commandline \"touch RAN; rm -rf /zz\"; commandline -f execute'\r"),
                Prompt,
                Type(b"\x14"),
                Type(b"\r"),
            ],
            &[
                "bind \\ct 'commandline \"touch RAN; rm -rf /zz\"; commandline -f execute'",
                "touch RAN; rm -rf /zz",
            ],
        )
        .may_be_unknown(),
    ]
}

/// Users who are in the gate's way, knowing or not. The line that does it is known, and those after it.
fn in_the_way() -> Vec<Scenario> {
    after_lines(&[("no PATH", "set PATH"), ("Enter is bound anew", "bind \\r execute")])
}

/// What people have in their profiles.
fn rc_files() -> Vec<Scenario> {
    with_profiles(&[
        ("nothing", ""),
        ("Enter bound", "bind \\r execute\n"),
        (
            "a prompt on both sides",
            "function fish_prompt; echo -n 'ready> '; end\nfunction fish_mode_prompt; end\n",
        ),
        (
            "functions at prompts and before commands",
            "function a --on-event fish_prompt; true; end\nfunction b --on-event fish_preexec; true; end\nfunction c --on-event fish_postexec; true; end\n",
        ),
        ("no history", "set -g fish_history ''\n"),
    ])
}
