//! Scenarios that are the same in several shells.

use super::{Answer, Ended, More, Prompt, PromptIs, Quiet, Repeat, Resize, Runs, Scenario, See, Type, scenario};

/// For every shell: what the terminal's own line editing can do, programs, refusals.
pub(super) fn everywhere() -> Vec<Scenario> {
    [typed(), programs(), refused()].concat()
}

fn typed() -> Vec<Scenario> {
    let x = "x".repeat(200);
    let y = "y".repeat(90);
    vec![
        scenario("plain", &[Type(b"echo one\r")], &["echo one"]).with_codes(&[Some(0)]),
        scenario("newline as Enter", &[Type(b"echo cj\n")], &["echo cj"]),
        scenario("backspace", &[Type(b"echo onex\x7f\x7fe2\r")], &["echo one2"]),
        scenario("^U", &[Type(b"rm -rf /q\x15echo safe\r")], &["echo safe"]),
        scenario("^W", &[Type(b"echo foo bar\x17baz\r")], &["echo foo baz"]),
        scenario("a long line", &[Type(b"echo "), Repeat(b'x', 200), Type(b"\r")], &[])
            .with_lines([format!("echo {x}")]),
        scenario(
            "a resize within a line",
            &[Type(b"echo "), Repeat(b'y', 90), See("yyyy"), Resize(40), Type(b"zz\r")],
            &[],
        )
        .with_lines([format!("echo {y}zz")]),
        scenario(
            "output without a newline",
            &[Type(b"printf abc\r"), Prompt, Type(b"echo nl\r")],
            &["printf abc", "echo nl"],
        ),
        scenario(
            "a program that clears the screen",
            &[Type(b"clear\r"), Prompt, Type(b"echo cl\r")],
            &["clear", "echo cl"],
        ),
        scenario(
            "far away",
            &[Type(b"echo slow\r"), Prompt, Type(b"echo slow2"), Type(b"\r")],
            &["echo slow", "echo slow2"],
        )
        .far(),
        scenario(
            "three lines",
            &[Type(b"echo u1\recho u2\recho u3\r")],
            &["echo u1", "echo u2", "echo u3"],
        ),
        scenario(
            "typed ahead",
            &[Type(b"sleep 0.5\r"), Runs, Type(b"echo ta1\recho ta2\r")],
            &["sleep 0.5", "echo ta1", "echo ta2"],
        ),
        scenario(
            "^C",
            &[Type(b"rm -rf /x"), See("/x"), Type(b"\x03"), Prompt, Type(b"echo cc\r")],
            &["echo cc"],
        ),
    ]
}

fn programs() -> Vec<Scenario> {
    vec![
        scenario(
            "getpass",
            &[
                Type(b"python3 -c 'import getpass; getpass.getpass()'\r"),
                See("Password: "),
                Type(b"S3cretPw\r"),
                Prompt,
                Type(b"echo done\r"),
            ],
            &["python3 -c 'import getpass; getpass.getpass()'", "echo done"],
        ),
        scenario(
            "cat",
            &[
                Type(b"cat\r"),
                Runs,
                Type(b"some data\r"),
                See("some data\nsome data"),
                Type(b"\x04"),
                Prompt,
            ],
            &["cat"],
        ),
        scenario(
            "vim",
            &[
                Type(b"vim -n -u NONE -N vx\r"),
                See("vx"),
                See("~"),
                Type(b"ihello\rrm -rf /w\r"),
                See("/w"),
                Type(b"\x1b"),
                Type(b":q!\r"),
                Prompt,
                Type(b"echo v\r"),
            ],
            &["vim -n -u NONE -N vx", "echo v"],
        ),
        scenario(
            "less",
            &[
                Type(b"less /etc/passwd\r"),
                See("root:"),
                Type(b"/bin\r"),
                See("bin"),
                Type(b"q"),
                Prompt,
                Type(b"echo l\r"),
            ],
            &["less /etc/passwd", "echo l"],
        ),
        scenario(
            "the Python prompt",
            &[
                Type(b"python3 -q\r"),
                See(">>> "),
                Type(b"print(1)\r"),
                See(">>> "),
                Type(b"exit()\r"),
                Prompt,
                Type(b"echo py\r"),
            ],
            &["python3 -q", "echo py"],
        ),
        scenario(
            "an inner shell's command",
            &[Type(b"sh -c 'echo deep'\r")],
            &["sh -c 'echo deep'"],
        ),
        scenario(
            "a mark of another hand",
            &[
                Type(b"printf '\\033]7717;0123;G;1.1;h;2;ls;/;\\007'\r"),
                Prompt,
                Type(b"echo fg\r"),
            ],
            &["printf '\\033]7717;0123;G;1.1;h;2;ls;/;\\007'", "echo fg"],
        ),
    ]
}

fn refused() -> Vec<Scenario> {
    vec![
        scenario(
            "refused alone",
            &[Type(b"touch RAN; rm -rf /zz\r")],
            &["touch RAN; rm -rf /zz"],
        )
        .with_codes(&[None]),
        scenario(
            "refused in the middle of a paste, which it ends",
            &[Type(b"echo a1\rtouch RAN; rm -rf /zz\rtouch RAN\r")],
            &["echo a1", "touch RAN; rm -rf /zz"],
        ),
        scenario(
            "refused, typed ahead",
            &[Type(b"sleep 0.5\r"), Runs, Type(b"touch RAN; rm -rf /zz\r")],
            &["sleep 0.5", "touch RAN; rm -rf /zz"],
        ),
        scenario(
            "a question, answered yes",
            &[Type(b"echo ask-me\r"), Answer("y"), Prompt],
            &["echo ask-me"],
        )
        .with_codes(&[Some(0)]),
        scenario(
            "a question, answered no",
            &[
                Type(b"touch RAN; echo ask-me\r"),
                Answer("n"),
                Prompt,
                Type(b"echo on\r"),
            ],
            &["touch RAN; echo ask-me", "echo on"],
        )
        .with_codes(&[None, Some(0)]),
    ]
}

/// For shells whose users end a line of several with an unfinished one, and whose syntax is that of POSIX.
pub(super) fn posix_syntax() -> Vec<Scenario> {
    vec![
        scenario(
            "an open quote",
            &[Type(b"echo 'a\r"), More, Type(b"b'\r")],
            &["echo 'a\nb'"],
        ),
        scenario(
            "an alias",
            &[Type(b"alias ll='ls -d /'\r"), Prompt, Type(b"ll /\r")],
            &["alias ll='ls -d /'", "ll /"],
        ),
        scenario(
            "no prompt",
            &[Type(b"PS1=\r"), PromptIs(""), Ended(1), Type(b"echo np\r")],
            &["PS1=", "echo np"],
        ),
        scenario(
            "output of a job in the middle of a line",
            &[
                Type(b"(sleep 0.4; echo NO\"\"ISE) &\r"),
                Prompt,
                Type(b"echo a"),
                See("NOISE"),
                Type(b"b\r"),
            ],
            &["(sleep 0.4; echo NO\"\"ISE) &", "echo ab"],
        ),
        scenario(
            "an answer that nobody waits for",
            &[Type(b"1.4711:y\x15echo on\r")],
            &["echo on"],
        ),
        scenario(
            "a refused group with a redirection",
            &[Type(b"{ rm -rf /zz; } >RAN\r")],
            &["{ rm -rf /zz; } >RAN"],
        ),
        scenario(
            "a refused subshell with a redirection",
            &[Type(b"(rm -rf /zz) >RAN\r")],
            &["(rm -rf /zz) >RAN"],
        ),
        scenario(
            "a refused substitution",
            &[Type(b"for i in $(touch RAN; rm -rf /zz); do :; done\r")],
            &["for i in $(touch RAN; rm -rf /zz); do :; done"],
        ),
        scenario(
            "refused with SIGINT trapped",
            &[
                Type(b"trap 'echo caught' INT\r"),
                Prompt,
                Type(b"{ rm -rf /zz; } >RAN\r"),
            ],
            &["trap 'echo caught' INT", "{ rm -rf /zz; } >RAN"],
        ),
        scenario(
            "refused with SIGINT ignored",
            &[Type(b"trap '' INT\r"), Prompt, Type(b"{ rm -rf /zz; } >RAN\r")],
            &["trap '' INT", "{ rm -rf /zz; } >RAN"],
        ),
    ]
}

/// As [`with_profiles`], without a prompt.
pub(super) fn without_prompt(profile: &str) -> Vec<Scenario> {
    let steps = &[
        Quiet,
        Type(b"echo a\r"),
        Ended(1),
        Type(b"touch RAN; rm -rf /zz\r"),
        Ended(2),
        See("denied"),
        Quiet,
        Type(b"echo b\r"),
    ];
    let lines = &["echo a", "touch RAN; rm -rf /zz", "echo b"];
    let empty = scenario("an empty prompt", steps, lines);
    vec![empty.with_profile(profile).with_prompt("")]
}

/// A harmless line, one that is refused, and another, in homes with these profiles.
pub(super) fn with_profiles(profiles: &[(&str, &str)]) -> Vec<Scenario> {
    let steps = &[
        Type(b"echo a\r"),
        Ended(1),
        Prompt,
        Type(b"touch RAN; rm -rf /zz\r"),
        Ended(2),
        Prompt,
        Type(b"echo b\r"),
    ];
    let lines = &["echo a", "touch RAN; rm -rf /zz", "echo b"];
    let of_profile = |(name, profile): &(&str, &str)| scenario(name, steps, lines).with_profile(profile);
    profiles.iter().map(of_profile).collect()
}

/// As [`with_profiles`], after a line that changes something for the rest of the session.
pub(super) fn after_lines(lines: &[(&str, &'static str)]) -> Vec<Scenario> {
    let of_line = |(name, line): &(&str, &'static str)| {
        let steps = &[
            Type(line.as_bytes()),
            Type(b"\r"),
            Ended(1),
            Prompt,
            Type(b"echo a\r"),
            Ended(2),
            Prompt,
            Type(b"touch RAN; rm -rf /zz\r"),
            Ended(3),
            Prompt,
            Type(b"echo b\r"),
        ];
        scenario(name, steps, &[line, "echo a", "touch RAN; rm -rf /zz", "echo b"])
    };
    lines.iter().map(of_line).collect()
}

/// For shells that edit lines themselves, with the keys of Emacs.
pub(super) fn edited() -> Vec<Scenario> {
    let x = "x".repeat(200);
    vec![
        scenario("^A", &[Type(b"foo bar\x01echo \r")], &["echo foo bar"]),
        scenario("an arrow and an insertion", &[Type(b"echo ac\x1b[Db\r")], &["echo abc"]),
        scenario(
            "kill and yank",
            &[Type(b"one two\x17\x01echo \x05\x19\r")],
            &["echo one two"],
        ),
        scenario(
            "a long line edited at its start",
            &[Type(b"echo "), Repeat(b'x', 200), See("xxxx"), Type(b"\x01true; \r")],
            &[],
        )
        .with_lines([format!("true; echo {x}")]),
        scenario(
            "wide characters",
            &[Type("echo hé日本\u{7f}語\r".as_bytes())],
            &["echo hé日語"],
        ),
        scenario(
            "up",
            &[Type(b"echo hist1\r"), Prompt, Type(b"\x1b[A\r")],
            &["echo hist1", "echo hist1"],
        ),
        scenario(
            "the last argument",
            &[Type(b"echo first\r"), Prompt, Type(b"echo \x1b.\r")],
            &["echo first", "echo first"],
        ),
        scenario(
            "up before the echo is seen",
            &[Type(b"echo slow\r"), Prompt, Type(b"\x1b[A"), Type(b"\r")],
            &["echo slow", "echo slow"],
        )
        .far(),
    ]
}

/// For shells that find lines again in their history, and run them.
pub(super) fn recalled() -> Vec<Scenario> {
    vec![
        scenario(
            "^R",
            &[
                Type(b"echo alpha\r"),
                Prompt,
                Type(b"echo beta\r"),
                Prompt,
                Type(b"\x12alph\r"),
            ],
            &["echo alpha", "echo beta", "echo alpha"],
        ),
        scenario(
            "^O",
            &[
                Type(b"echo o1\r"),
                Prompt,
                Type(b"echo o2\r"),
                Prompt,
                Type(b"\x1b[A\x1b[A\x0f"),
                Prompt,
                Type(b"\r"),
            ],
            &["echo o1", "echo o2", "echo o1", "echo o2"],
        ),
        scenario(
            "history expansion",
            &[Type(b"echo h1\r"), Prompt, Type(b"!!\r")],
            &["echo h1", "echo h1"],
        ),
    ]
}

/// Commands of several lines, for shells that keep the lines as they are.
pub(super) fn over_lines() -> Vec<Scenario> {
    vec![
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
    ]
}

/// For shells that read a secret themselves.
pub(super) fn read_silently() -> Scenario {
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
    )
}
