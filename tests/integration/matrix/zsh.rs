//! zsh.

use super::common::{
    after_lines, edited, everywhere, over_lines, posix_syntax, read_silently, recalled, with_profiles, without_prompt,
};
use super::{Ended, Prompt, PromptIs, Runs, Scenario, See, Shell, Type, play_all, scenario};

#[test]
fn lines_are_known_and_nothing_passes() {
    let tally = play_all(
        Shell::Zsh,
        &[
            everywhere(),
            edited(),
            posix_syntax(),
            editing(),
            recalled(),
            over_lines(),
            vec![read_silently()],
            several(),
            keys(),
            within(),
            in_the_way(),
            rc_files(),
        ]
        .concat(),
    );
    assert!(tally.percent() >= 97.0, "{tally}");
}

fn editing() -> Vec<Scenario> {
    vec![
        scenario("completion", &[Type(b"cat uniq\t\r")], &["cat uniquefile_zzz"]),
        scenario("a literal tab", &[Type(b"echo a\x16\tb\r")], &["echo a\tb"]),
        scenario(
            "vi mode",
            &[
                Type(b"bindkey -v\r"),
                Prompt,
                Type(b"echo abx"),
                See("abx"),
                Type(b"\x1b"),
                Type(b"x"),
                Type(b"Ac\r"),
            ],
            &["bindkey -v", "echo abc"],
        ),
        scenario(
            "a coloured prompt of two rows, and one on the right",
            &[
                Type(b"PS1=$'%F{green}%n%f\\n%F{magenta}two>%f ';RPROMPT='%F{red}right%f'\r"),
                PromptIs("right"),
                Prompt,
                Type(b"echo rp\r"),
            ],
            &[
                "PS1=$'%F{green}%n%f\\n%F{magenta}two>%f ';RPROMPT='%F{red}right%f'",
                "echo rp",
            ],
        ),
        scenario(
            "lines and copies that the history leaves out",
            &[
                Type(b"setopt histignorespace histignoredups\r"),
                Prompt,
                Type(b" echo sp\r"),
                Prompt,
                Type(b"echo dup\r"),
                Prompt,
                Type(b"echo dup\r"),
            ],
            &[
                "setopt histignorespace histignoredups",
                " echo sp",
                "echo dup",
                "echo dup",
            ],
        ),
    ]
}

fn several() -> Vec<Scenario> {
    vec![
        scenario(
            "a bracketed paste, which is one command",
            &[Type(b"\x1b[200~echo p1\recho p2\x1b[201~\r")],
            &["echo p1\necho p2"],
        ),
        scenario("Enter alone", &[Type(b"\r"), Prompt, Type(b"echo z\r")], &["echo z"]),
        scenario(
            "a comment",
            &[Type(b"# rm -rf /x\r"), Prompt, Type(b"echo z\r")],
            &["echo z"],
        )
        .with_profile("setopt interactivecomments\n")
        .may_be_unknown(),
    ]
}

fn keys() -> Vec<Scenario> {
    vec![
        scenario(
            "a key that types a line and enters it",
            &[Type(b"\x14")],
            &["touch RAN; rm -rf /zz"],
        )
        .with_profile("bindkey -s '^T' '^Utouch RAN; rm -rf /zz^M'\n"),
        scenario(
            "a key that runs a function",
            &[Type(b"\x14"), Type(b"echo after\r")],
            &["echo after"],
        )
        .with_profile("w() { echo wx >/dev/null; }\nzle -N w\nbindkey '^T' w\n")
        .may_be_unknown(),
    ]
}

fn within() -> Vec<Scenario> {
    let lines = &[
        Type(b"zsh\r"),
        Runs,
        Prompt,
        Type(b"touch RAN; rm -rf /zz\r"),
        See("Is denied"),
        Prompt,
        Type(b"exit\r"),
        Ended(3),
        Prompt,
        Type(b"echo out\r"),
    ];
    vec![scenario(
        "a zsh within",
        lines,
        &["zsh", "touch RAN; rm -rf /zz", "exit", "echo out"],
    )]
}

/// Users who are in the gate's way, knowing or not. The line that does it is known, and those after it.
fn in_the_way() -> Vec<Scenario> {
    after_lines(&[
        ("no PATH", "PATH="),
        ("preexec_functions are emptied", "preexec_functions=()"),
        ("both arrays are emptied", "precmd_functions=() preexec_functions=()"),
        ("nounset", "setopt nounset"),
        ("errexit", "setopt errreturn"),
        ("xtrace", "setopt xtrace"),
        ("both arrays are unset", "unset precmd_functions preexec_functions"),
        ("SIGINT is trapped", "trap 'echo caught' INT"),
        ("SIGINT is ignored", "trap '' INT"),
        ("SIGINT has a function", "TRAPINT() { return 0; }"),
        ("emulate sh", "emulate sh"),
        ("another history", "fc -p"),
        ("a history that keeps nothing", "zshaddhistory() { return 1; }"),
        (
            "a history that changes lines",
            "setopt histnostore histreduceblanks histnofunctions",
        ),
        ("the profile once more", "source ~/.zshrc"),
    ])
}

/// What people have in their profiles.
fn rc_files() -> Vec<Scenario> {
    let mut all = with_profiles(&[
        (
            "a prompt set anew each time",
            "p() { PS1='%F{2}ready>%f '; }; precmd_functions=(p)\n",
        ),
        ("functions preexec and precmd", "preexec() { :; }; precmd() { :; }\n"),
        ("nounset", "setopt nounset\n"),
        ("xtrace", "setopt xtrace\n"),
        ("another IFS", "IFS=,\n"),
        ("no history", "HISTSIZE=0; SAVEHIST=0; unset HISTFILE\n"),
        (
            "accept-line replaced",
            "f() { zle .accept-line; }; zle -N accept-line f\n",
        ),
        ("ksharrays", "setopt ksharrays\n"),
        ("a DEBUG trap", "trap ':' DEBUG\n"),
        ("emulate sh", "emulate sh\n"),
        ("noglob", "setopt noglob\n"),
        ("extendedglob", "setopt extendedglob\n"),
        ("promptsubst", "setopt promptsubst\n"),
        (
            "aliases of builtins",
            "alias print='echo x' read='echo y' local='echo z'\n",
        ),
        ("completion", "autoload -Uz compinit; compinit -u -D\n"),
        ("verbose", "setopt verbose\n"),
        ("errexit", "setopt errexit\n"),
        ("emulate ksh", "emulate ksh\n"),
        ("a ZERR trap", "trap 'echo ERR' ZERR\n"),
        ("a function TRAPDEBUG", "TRAPDEBUG() { : }\n"),
        ("no PATH", "PATH=\n"),
        ("an empty IFS", "IFS=\n"),
        ("no aliases", "setopt noaliases\n"),
        ("an exported prompt", "export PS1\n"),
        ("TMOUT", "TMOUT=600\n"),
        ("a history of one line", "HISTSIZE=1\n"),
        (
            "a shared history",
            "setopt sharehistory; HISTFILE=~/.hist; SAVEHIST=9\n",
        ),
        (
            "options that change how words are read",
            "setopt shwordsplit globsubst nullglob cshjunkiequotes noclobber warncreateglobal\n",
        ),
        (
            "POSIX's options",
            "setopt posixbuiltins posixtraps posixidentifiers posixstrings\n",
        ),
        (
            "functions in place of builtins",
            "print() { echo mine; }; read() { echo mine; }; kill() { echo mine; }\n",
        ),
        (
            "hooks by the book",
            "autoload -Uz add-zsh-hook; x() { : }; add-zsh-hook precmd x; add-zsh-hook preexec x\n",
        ),
        (
            "arrays of one's own",
            "x() { : }; precmd_functions=(x); preexec_functions=(x)\n",
        ),
        (
            "output held until the prompt, and a prompt before it",
            "print -n 'soon> '; exec {o}>&1 1>/dev/null; \
             f() { exec 1>&$o {o}>&-; precmd_functions=(${precmd_functions:#f}); }; precmd_functions+=(f)\n",
        ),
    ]);
    all.extend(without_prompt("PS1=\n"));
    all
}
