//! fish.

use super::common::{after_lines, edited, everywhere, read_silently, with_profiles};
use super::{Ended, Prompt, PromptIs, Runs, Scenario, See, Shell, Type, play_all, scenario};

#[test]
fn lines_are_known_and_nothing_passes() {
    let tally = play_all(
        Shell::Fish,
        &[
            everywhere()
                .into_iter()
                .filter(|scenario| !ELSEWHERE.contains(&scenario.name.as_str()))
                .collect(),
            instead(),
            edited(),
            editing(),
            vec![read_silently()],
            several(),
            keys(),
            in_the_way(),
            rc_files(),
        ]
        .concat(),
    );
    assert!(tally.percent() >= 97.0, "{tally}");
}

/// What is not like this in fish: it misses an interrupt that comes while it draws, and a program has the terminal only
/// some time after its line was let.
const ELSEWHERE: [&str; 2] = ["^C", "cat"];

fn instead() -> Vec<Scenario> {
    vec![scenario(
        "cat",
        &[
            Type(b"printf 'g%s\\n' o; cat\r"),
            See("go\n"),
            Type(b"some data\r"),
            See("some data\nsome data"),
            Type(b"\x04"),
            Prompt,
        ],
        &["printf 'g%s\\n' o; cat"],
    )]
}

fn editing() -> Vec<Scenario> {
    vec![
        scenario(
            "completion",
            &[Type(b"cat uniq\t"), See("uefile_zzz"), Type(b"\r")],
            &["cat uniquefile_zzz "],
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
                Type(b"functions -c right fish_right_prompt\r"),
                PromptIs("right"),
                Prompt,
                Type(b"echo rp\r"),
            ],
            &["functions -c right fish_right_prompt", "echo rp"],
        )
        .with_profile("function right; set_color red; echo right; end\n"),
        scenario(
            "no prompt",
            &[
                Type(b"functions -e fish_prompt; functions -c none fish_prompt\r"),
                PromptIs(""),
                Ended(1),
                Type(b"echo np\r"),
            ],
            &["functions -e fish_prompt; functions -c none fish_prompt", "echo np"],
        )
        .with_profile("function none; end\n"),
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
            "read -s with the keys of vi, and a paste",
            &[
                Type(b"read -s p; echo got\r"),
                Runs,
                Type(b"\x1b[200~S3cret\rPw\x1b[201~\r"),
                See("got"),
                Prompt,
                Type(b"echo done\r"),
            ],
            &["read -s p; echo got", "echo done"],
        )
        .with_profile("fish_vi_key_bindings\n"),
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
        scenario("a block", &[Type(b"begin\recho $i\rend\r")], &["begin\necho $i\nend"]),
        scenario(
            "comments, and a line after one",
            &[
                Type(b"# rm -rf /x\r"),
                Prompt,
                Type(b"\x1b[200~# one\recho two\x1b[201~"),
                See("two"),
                Type(b"\r"),
            ],
            &["# one\necho two"],
        ),
        scenario(
            "refused, and refused again, with a job in the background",
            &[
                Type(b"sleep 60 &\r"),
                Prompt,
                Type(b"touch RAN; rm -rf /1\r"),
                Prompt,
                Type(b"touch RAN; rm -rf /2\r"),
                Prompt,
                Type(b"kill (jobs -p)\r"),
            ],
            &[
                "sleep 60 &",
                "touch RAN; rm -rf /1",
                "touch RAN; rm -rf /2",
                "kill (jobs -p)",
            ],
        ),
        scenario(
            "refused lines are in the history like others",
            &[
                Type(b"echo a\r"),
                Prompt,
                Type(b"touch RAN; rm -rf /1\r"),
                Prompt,
                Type(b"\x1b[A\x1b[A\r"),
            ],
            &["echo a", "touch RAN; rm -rf /1", "echo a"],
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
            &[Type(b"\x14"), Prompt, Type(b"echo after\r")],
            &["touch RAN; rm -rf /zz", "echo after"],
        )
        .with_profile("bind \\ct 'commandline \"touch RAN; rm -rf /zz\"; commandline -f execute'\n"),
        scenario(
            "Enter is a function of the user's",
            &[Type(b"echo enter\r")],
            &["echo enter"],
        )
        .with_profile("function enter; commandline -f execute; end\nbind \\r enter\n"),
    ]
}

/// Users who are in the gate's way, knowing or not. The line that does it is known, and those after it.
fn in_the_way() -> Vec<Scenario> {
    after_lines(&[
        ("no PATH", "set PATH"),
        ("Enter is bound anew", "bind \\r execute"),
        ("no IFS", "set -g IFS"),
    ])
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
        (
            "the keys of vi",
            "fish_vi_key_bindings\nfunction fish_mode_prompt; end\n",
        ),
        ("a function for interrupts", "function i --on-signal INT; true; end\n"),
        (
            "functions called like builtins",
            "function printf; end\nfunction commandline; end\nfunction stty; end\nfunction sleep; end\n",
        ),
    ])
}
