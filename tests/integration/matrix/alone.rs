//! One session each: what its rows hold beside the lines, and what its user sees.

use super::driver::{Session, Stage};
use super::{Prompt, See, Shell, Type};
use crate::harness::Row;

/// The rows of the session after it was left, without the closing `exit`.
fn rows(stage: &Stage, session: Session) -> Vec<Row> {
    session.leave();
    let mut rows = stage.world.bastion.rows_now();
    rows.pop();
    rows
}

#[test]
fn a_mark_of_another_hand_is_not_shown_and_is_reported() {
    let (stage, mut session) = Stage::alone(Shell::Bash, "");
    let shown = session.shown_by("printf 'a\\033]7717;0123;G;1.1;h;2;ls;/;\\007b\\n'");
    assert!(shown.ends_with("\nab\n"), "{shown}");
    rows(&stage, session);
    assert!(stage.world.bastion.log().contains("a mark that the hook did not write"));
}

#[test]
fn a_line_s_end_says_how_and_where() {
    let (stage, mut session) = Stage::alone(Shell::Bash, "alias home='cd /'\n");
    session.shown_by("home; printf '0123456789\\n'; false | (exit 7)");
    let row = rows(&stage, session).remove(0);
    let home = stage.home(0).canonicalize().unwrap();
    assert_eq!(row.cwd.as_deref(), home.to_str());
    assert_eq!((row.exit_code, row.cwd_after.as_deref()), (Some(7), Some("/")));
    assert_eq!(row.stdout_length, Some(12), "with the carriage return of the terminal");
}

#[test]
fn the_user_s_traps_options_and_history_are_as_they_would_be() {
    let profile = "HISTCONTROL=ignorespace\nshopt -s extdebug\ntrap 'n=1' DEBUG\n\
                   trap 'echo caught' INT\nPROMPT_COMMAND=(true)\n";
    let (stage, mut session) = Stage::alone(Shell::Bash, profile);
    session.shown_by("rm -rf /zz");
    session.shown_by(" echo hidden >/dev/null");
    let shown = session.shown_by("trap -p DEBUG INT; shopt extdebug; history");
    for kept in [
        "trap -- 'n=1' DEBUG",
        "trap -- 'echo caught' SIGINT",
        "extdebug       \ton",
    ] {
        assert!(shown.contains(kept), "{kept} is not in:\n{shown}");
    }
    assert!(!shown.contains("hidden") && !shown.contains("__opspilot"), "{shown}");
    rows(&stage, session);
}

#[test]
fn a_command_written_in_an_editor_is_asked_about() {
    let (stage, mut session) = Stage::alone(Shell::Bash, "");
    for step in [Type(b"echo tmpl\x18\x05"), See("\nedited\n"), Prompt] {
        session.run(step);
    }
    let rows = rows(&stage, session);
    let of = |line: &str| rows.iter().filter(|row| row.command == line).count();
    assert_eq!((of("echo edited"), of("echo tmpl")), (1, 0), "{rows:#?}");
}

/// What a plain session and one through the bastion may differ in: addresses, ports and the terminal's number.
fn comparable(shown: &str) -> Vec<&str> {
    let own = |line: &&str| {
        !["SSH_CLIENT=", "SSH_CONNECTION=", "SSH_TTY="]
            .iter()
            .any(|own| line.starts_with(own))
    };
    shown.lines().filter(own).collect()
}

/// Plays the same lines in a plain session and through the bastion, in homes that are the same, and compares what is shown.
fn assert_same(shell: Shell, profile: &str, lines: &[&str]) {
    let (stage, mut guarded) = Stage::alone(shell, profile);
    let mut plain = stage.enter_directly(0);
    plain.expect(&guarded.prompt);
    for line in lines {
        plain.line(line);
        let expected = plain.expect(&guarded.prompt);
        let shown = guarded.shown_by(line);
        assert_eq!(comparable(&shown), comparable(&expected), "{line}");
    }
    plain.line("exit 3");
    assert_eq!(plain.finish(), 3);
    rows(&stage, guarded);
}

#[test]
fn a_bash_is_the_login_shell_that_it_would_be() {
    assert_same(
        Shell::Bash,
        "",
        &[
            "shopt; shopt -o",
            "echo $0 $- $# $SHLVL ${HISTFILE-} ${HISTSIZE-} ${HISTCONTROL-} [$IFS] ${MAILCHECK-}",
            "env | sort",
            "trap; alias; umask; ulimit -a",
            "ls -A ~; ls /proc/$$/fd; tty | tr -d '0-9'",
            "compgen -v | grep -vi opspilot | grep -vxE 'PROMPT_COMMAND|PS0'",
            "compgen -A function | grep -v __opspilot",
            "bind -v; bind -X; bind -S",
            "echo one; history",
        ],
    );
}

/// What a zsh says of itself. The hook's own functions and arrays, and parameters of modules, are left out.
const FACTS_OF_ZSH: &str = r"
setopt; unsetopt
print -r -- $0 $ZSH_ARGZERO $- $# $SHLVL $HISTFILE $HISTSIZE $SAVEHIST ${(q)IFS} ${ZDOTDIR-unset} ${(q)PS1}
env | sort
trap; alias; umask; ulimit -a; hash -d; jobs
ls -A ~; print -r -- /proc/$$/fd/*(:t)
# Other sessions have directories too while they begin; what is left behind stays.
() {
  local left
  for left in {/dev/shm,/tmp}/.opspilot*(N); do
    repeat 100 { [[ -e $left ]] || break; sleep 0.1 }
    [[ ! -e $left ]] || print -r -- $left
  done
}
print -l ${(ok)functions:#__opspilot*}
print -l ${(ok)parameters[(R)^*special*]:#(__opspilot*|precmd_functions|preexec_functions|facts)}
bindkey; zle -lL; fc -l
";

#[test]
fn a_zsh_is_the_login_shell_that_it_would_be() {
    let (stage, mut guarded) = Stage::alone(Shell::Zsh, "");
    let [facts, shown] = ["facts", "shown"].map(|file| stage.home(0).join(file));
    std::fs::write(facts, FACTS_OF_ZSH).unwrap();
    let tell = "source ~/facts >~/shown 2>&1; exit 3";

    let mut plain = stage.enter_directly(0);
    plain.expect(&guarded.prompt);
    plain.line(tell);
    assert_eq!(plain.finish(), 3);
    let expected = std::fs::read_to_string(&shown).unwrap();

    guarded.type_keys(format!("{tell}\r").as_bytes());
    assert_eq!(guarded.terminal.finish(), 3);
    let told = std::fs::read_to_string(&shown).unwrap();
    assert_eq!(comparable(&told), comparable(&expected));
}

#[test]
fn a_zsh_reads_the_files_of_a_login_shell_in_their_order() {
    let profile = "print -r zshrc $0 ${ZDOTDIR-unset} >>~/order\n";
    let stage = Stage::set(Shell::Zsh, 1);
    let home = stage.home(0);
    std::fs::create_dir_all(&home).unwrap();
    for file in [".zshenv", ".zprofile", ".zlogin", ".zlogout"] {
        let record = format!("[[ -o login ]] && print -r {file} ${{ZDOTDIR-unset}} >>~/order\n");
        std::fs::write(home.join(file), record).unwrap();
    }
    rows(&stage, stage.enter_at_prompt(0, profile));
    assert_eq!(
        std::fs::read_to_string(home.join("order")).unwrap(),
        ".zshenv unset\n.zprofile unset\nzshrc -zsh unset\n.zlogin unset\n.zlogout unset\n"
    );
}

#[test]
fn nothing_of_the_hook_is_in_the_environment_or_the_arguments() {
    let (stage, mut session) = Stage::alone(Shell::Bash, "");
    let shown =
        session.shown_by("cat /proc/$$/environ /proc/$$/cmdline | tr '\\0' '\\n' | grep -ciE 'opspilot|[0-9a-f]{32}'");
    assert!(shown.ends_with("\n0\n"), "{shown}");
    rows(&stage, session);
}

#[test]
fn a_dash_is_not_hooked_where_the_settings_of_a_terminal_are_numbered_otherwise() {
    let profile = "uname() { echo other; }\nmkdir -p ~/bin; printf '#!/bin/sh\\necho ppc64le\\n' >~/bin/uname; chmod +x ~/bin/uname\nPATH=~/bin:$PATH\n";
    let (_stage, mut session) = Stage::alone(Shell::Dash, profile);
    session.shown_by("echo a");
    let lines = session.leave();
    assert!(lines.iter().all(|line| line.exactness == "unknown"), "{lines:?}");
}

#[test]
fn a_global_alias_is_judged_by_what_it_stands_for() {
    let (stage, mut session) = Stage::alone(Shell::Zsh, "alias -g ALL='-rf /zz'\n");
    session.shown_by("touch RAN; rm ALL");
    assert_eq!(session.leave()[0].state, "denied");
    assert!(!stage.home(0).join("RAN").exists());
}
