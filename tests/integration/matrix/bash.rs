//! bash.

use super::common::{after_lines, edited, everywhere, posix_syntax, recalled, with_profiles, without_prompt};
use super::{More, Prompt, PromptIs, Runs, Scenario, See, Shell, Type, play_all, scenario};

/// What frameworks for hooks before each command do: a DEBUG trap, set at the first prompt and armed at each.
const PREEXEC: &str = r#"
preexec() { before=$1; }
precmd() { after=$?; }
__pre_invoke() { [[ -n $__pre_armed && -z ${COMP_LINE-} ]] && { __pre_armed=; preexec "$(history 1)"; }; return 0; }
__pre_prompt() { precmd; trap '__pre_invoke "$_"' DEBUG; }
PROMPT_COMMAND=$'__pre_prompt\n__pre_armed=1'
"#;

#[test]
fn lines_are_known_and_nothing_passes() {
    let tally = play_all(
        Shell::Bash,
        &[
            everywhere(),
            edited(),
            posix_syntax(),
            editing(),
            history(),
            recalled(),
            several_lines(),
            several_commands(),
            secrets(),
            keys(),
            in_the_way(),
            without_the_hook(),
            rc_files(),
        ]
        .concat(),
    );
    assert!(tally.percent() >= 97.0, "{tally}");
}

fn editing() -> Vec<Scenario> {
    vec![
        scenario("completion from a list", &[Type(b"cat amb\t\tb\r")], &["cat amb_b"]),
        scenario("completion", &[Type(b"cat uniq\t\r")], &["cat uniquefile_zzz "]),
        scenario("a literal tab", &[Type(b"echo a\x16\tb\r")], &["echo a\tb"]),
        scenario(
            "vi mode",
            &[
                Type(b"set -o vi\r"),
                Prompt,
                Type(b"echo abx"),
                See("abx"),
                Type(b"\x1bxAc\r"),
            ],
            &["set -o vi", "echo abc"],
        ),
        scenario(
            "a coloured prompt of two rows",
            &[
                Type(b"PS1='\\[\\e[32m\\]u@h\\[\\e[0m\\] \\w\\n\\[\\e[35m\\]two>\\[\\e[0m\\] '\r"),
                PromptIs("\ntwo> "),
                Prompt,
                Type(b"echo rp\r"),
            ],
            &[
                "PS1='\\[\\e[32m\\]u@h\\[\\e[0m\\] \\w\\n\\[\\e[35m\\]two>\\[\\e[0m\\] '",
                "echo rp",
            ],
        ),
    ]
}

fn history() -> Vec<Scenario> {
    vec![
        scenario(
            "ignorespace and ignoredups",
            &[
                Type(b"HISTCONTROL=ignoreboth\r"),
                Prompt,
                Type(b" echo sp\r"),
                Prompt,
                Type(b"echo dup\r"),
                Prompt,
                Type(b"echo dup\r"),
            ],
            &["HISTCONTROL=ignoreboth", " echo sp", "echo dup", "echo dup"],
        ),
        scenario(
            "HISTIGNORE",
            &[Type(b"HISTIGNORE='echo*'\r"), Prompt, Type(b"echo ig\r")],
            &["HISTIGNORE='echo*'", "echo ig"],
        ),
        scenario(
            "history off",
            &[Type(b"set +o history\r"), Prompt, Type(b"echo ho\r"), Prompt],
            &["set +o history", "echo ho"],
        )
        .may_be_unknown(),
        scenario(
            "HISTSIZE=0",
            &[Type(b"echo a\r"), Prompt, Type(b"echo b\r")],
            &["echo a", "echo b"],
        )
        .with_profile("HISTSIZE=0\n"),
        scenario(
            "HISTSIZE=1",
            &[Type(b"echo a\r"), Prompt, Type(b"echo b\r")],
            &["echo a", "echo b"],
        )
        .with_profile("HISTSIZE=1\n"),
        scenario(
            "a history that the shell may not change",
            &[Type(b"echo a\r"), Prompt, Type(b" echo b\r"), Prompt],
            &["echo a", " echo b"],
        )
        .with_profile("readonly HISTCONTROL=ignorespace\n")
        .may_be_unknown(),
    ]
}

fn several_lines() -> Vec<Scenario> {
    vec![
        scenario(
            "a continued line",
            &[Type(b"echo a \\\r"), More, Type(b"b\r")],
            &["echo a b"],
        ),
        scenario(
            "a here-document",
            &[Type(b"cat <<E\r"), More, Type(b"x y\r"), More, Type(b"E\r")],
            &["cat <<E\nx y\nE\n"],
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
            &["for i in 1 2; do echo $i; done"],
        ),
        scenario(
            "a loop, with cmdhist off",
            &[
                Type(b"shopt -u cmdhist\r"),
                Prompt,
                Type(b"for i in 1\r"),
                More,
                Type(b"do echo $i; done\r"),
                Prompt,
            ],
            &["shopt -u cmdhist", "for i in 1; do echo $i; done"],
        )
        .may_be_unknown(),
    ]
}

fn several_commands() -> Vec<Scenario> {
    vec![
        scenario(
            "a bracketed paste",
            &[Type(b"\x1b[200~echo p1\recho p2\x1b[201~\r")],
            &["echo p1", "echo p2"],
        ),
        scenario(
            "Enter and a comment",
            &[Type(b"\r"), Prompt, Type(b"# rm -rf /x\r"), Prompt, Type(b"echo z\r")],
            &["echo z"],
        ),
    ]
}

fn secrets() -> Vec<Scenario> {
    vec![scenario(
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
    )]
}

fn keys() -> Vec<Scenario> {
    vec![
        scenario(
            "a key that runs a command",
            &[
                Type(b"bind -x '\"\\C-t\":\"echo bx\"'\r"),
                Prompt,
                Type(b"\x14"),
                See("bx\n"),
                Type(b"echo after\r"),
            ],
            &["bind -x '\"\\C-t\":\"echo bx\"'", "echo bx", "echo after"],
        ),
        scenario(
            "a key that runs a command that is refused",
            &[Type(b"\x14"), See("ready> ")],
            &["rm -rf /zz > RAN"],
        )
        .with_profile("bind -x '\"\\C-t\":\"rm -rf /zz >RAN; touch RAN\"'\n"),
    ]
}

/// Users who are in the gate's way, knowing or not. The line that does it is known, and those after it.
fn in_the_way() -> Vec<Scenario> {
    after_lines(&[
        ("PS0 is emptied", "PS0="),
        ("a function of the hook's is replaced", "__opspilot_ask() { :; }"),
        ("set -u", "set -u"),
        ("set -e", "set -e"),
        ("set -x", "set -x"),
        ("another IFS", "IFS=,"),
        ("no PATH", "PATH="),
        ("posix mode", "set -o posix"),
    ])
}

/// The hook, or a part of it, is taken out by a line that is known. What the shell does then may not be known.
fn without_the_hook() -> Vec<Scenario> {
    vec![
        scenario(
            "PROMPT_COMMAND is unset",
            &[
                Type(b"unset PROMPT_COMMAND\r"),
                Prompt,
                Type(b"touch RAN; rm -rf /zz\r"),
                Prompt,
                Type(b"echo b\r"),
                Prompt,
            ],
            &["unset PROMPT_COMMAND", "touch RAN; rm -rf /zz", "echo b"],
        )
        .may_be_unknown(),
        scenario(
            "the whole hook is taken out",
            &[
                Type(b"unset PROMPT_COMMAND PS0; trap - DEBUG\r"),
                Prompt,
                Type(b"rm -rf /zz\r"),
                Prompt,
                Type(b"echo b\r"),
                See("\nb\n"),
                Prompt,
            ],
            &["unset PROMPT_COMMAND PS0; trap - DEBUG", "rm -rf /zz", "echo b"],
        )
        .may_be_unknown(),
        scenario(
            "the shell is replaced",
            &[
                Type(b"PS1='ready> ' exec bash --norc\r"),
                Prompt,
                Type(b"touch RAN; rm -rf /zz\r"),
                See("denied"),
                Prompt,
                Type(b"echo b\r"),
            ],
            &["PS1='ready> ' exec bash --norc", "touch RAN; rm -rf /zz", "echo b"],
        ),
    ]
}

/// What people have in their profiles.
fn rc_files() -> Vec<Scenario> {
    let mut all = with_profiles(&[
        ("hooks of the user's before each command and prompt", PREEXEC),
        ("a PROMPT_COMMAND that ends in a semicolon", "PROMPT_COMMAND='x=1;'\n"),
        ("a PROMPT_COMMAND of several", "PROMPT_COMMAND=(true 'y=2')\n"),
        (
            "a prompt set anew each time",
            "p() { PS1='ready> '; }; PROMPT_COMMAND=p\n",
        ),
        ("a PS0", "PS0='run \\t\\n'\n"),
        ("a DEBUG trap", "trap 'echo DBG >/dev/null' DEBUG\n"),
        ("an INT trap", "trap 'echo caught' INT\n"),
        ("set -u", "set -u\n"),
        ("set -x", "set -x\n"),
        ("set -a", "set -a\n"),
        ("set -T", "set -T\n"),
        ("extdebug", "shopt -s extdebug\n"),
        ("promptvars off", "shopt -u promptvars\n"),
        ("another IFS", "IFS=,\n"),
        ("no PATH", "PATH=\n"),
        ("posix mode", "set -o posix\n"),
        ("nocasematch", "shopt -s nocasematch\n"),
        ("a time format of the history", "HISTTIMEFORMAT='%F %T '\n"),
        ("TMOUT", "TMOUT=300\n"),
        (
            "aliases of builtins",
            "alias local='echo x' printf='echo y' history='history 3' read='read -e'\n",
        ),
    ]);
    all.extend(without_prompt("PS1=\n"));
    all
}
