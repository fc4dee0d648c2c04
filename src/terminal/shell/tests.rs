use std::cell::Cell;

use super::*;
use crate::terminal::effect::Line;

thread_local! {
    static NONCES: Cell<u128> = const { Cell::new(0) };
}

/// 0001, 0002, ... within one test.
fn new_nonce() -> String {
    let number = NONCES.get() + 1;
    NONCES.set(number);
    nonce(number)
}

fn nonce(number: u128) -> String {
    format!("{number:032x}")
}

/// A gate, its clock, and what it wanted so far.
struct Session {
    gate: ShellGate,
    now: Instant,
}

impl Session {
    /// At the first prompt of a login shell.
    fn prompted() -> Self {
        NONCES.set(0);
        let now = Instant::now();
        let (gate, _) = ShellGate::login(LoginShell::Bash, new_nonce, now).unwrap();
        let mut session = Self { gate, now };
        session.target("\x1b]7717;?;R\x07");
        session.marks(1, "D;1;0;/;0");
        session
    }

    /// A login shell that runs `line`.
    fn running(line: &str) -> Self {
        let mut session = Self::prompted();
        session.runs(1, 1, line);
        session
    }

    /// A login shell whose line opened a bash that is hooked now.
    fn nested() -> Self {
        let mut session = Self::running("bash");
        session.offers_shell("in$ ");
        session.marks(2, "D;1;0;/in;0");
        session
    }

    fn target(&mut self, text: &str) -> Vec<Effect> {
        let mut out = Vec::new();
        self.gate.from_target(self.now, text.as_bytes(), &mut out);
        out
    }

    fn marks(&mut self, layer: u128, body: &str) -> Vec<Effect> {
        self.target(&format!("\x1b]7717;{};{body}\x07", nonce(layer)))
    }

    fn user(&mut self, text: &str) -> Vec<Effect> {
        let mut out = Vec::new();
        self.gate.from_user(self.now, text.as_bytes(), &mut out);
        out
    }

    /// Lets a layer ask about a line at its prompt, and run it.
    fn runs(&mut self, layer: u128, prompt: u64, line: &str) -> Vec<Effect> {
        let mut out = self.marks(layer, &format!("G;{prompt}.7;h;{};{line};/;", line.len()));
        self.gate.answer(Verdict::Run, &mut out);
        out.extend(self.marks(layer, &format!("V;{prompt}.7;y;")));
        out
    }

    /// Lets what looks like a prompt be tried, and answers as a shell does: with the same prompt. It then says that it is a bash.
    fn offers_shell(&mut self, prompt: &str) -> Vec<Effect> {
        self.target(prompt);
        assert_eq!(self.rest(), [Effect::ToTarget(hooking::TRY.to_vec())]);
        assert_eq!(
            self.target(&format!("\r\n{prompt}")),
            [Effect::ToTarget(bootstrap::inner_line())]
        );
        self.target(BASH)
    }

    /// Lets time pass until the gate wants to be woken.
    fn rest(&mut self) -> Vec<Effect> {
        let mut out = Vec::new();
        self.now = self.gate.deadline().expect("a deadline");
        self.gate.timed_out(self.now, &mut out);
        out
    }
}

/// What an inner bash says when the line that asks for its hook has been typed to it.
const BASH: &str = "\x1b]7717;?;N;5.2;;\x07";

fn shown(text: &str) -> Effect {
    Effect::ToUser(text.as_bytes().to_vec())
}

fn typed(text: &str) -> Effect {
    Effect::ToTarget(text.as_bytes().to_vec())
}

fn asked(effects: &[Effect]) -> Vec<&str> {
    let text = |effect| match effect {
        &Effect::Asking(Line { ref text, .. }) => Some(text.as_str()),
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

#[test]
fn an_inner_shell_is_hooked_at_its_prompt_and_its_lines_are_asked_about() {
    let mut session = Session::running("sudo -i");
    assert_eq!(session.target("root# "), [shown("root# ")]);
    assert_eq!(session.rest(), [Effect::ToTarget(hooking::TRY.to_vec())]);
    assert_eq!(session.target("\r\n"), [], "hidden");
    assert_eq!(session.target("root# "), [Effect::ToTarget(bootstrap::inner_line())]);
    assert_eq!(session.target(" eval ... echoed"), [], "hidden");
    let code = session.target("\x1b]7717;?;N;5.2.15(1)-release;;\x07");
    assert!(matches!(code.as_slice(), [Effect::ToTarget(code)] if code.ends_with(b"\n.\n")));
    assert_eq!(session.marks(2, "D;1;0;/root;0"), [shown("\r\x1b[K"), Effect::Ready]);
    assert_eq!(asked(&session.runs(2, 1, "rm -rf /x")), ["rm -rf /x"]);
}

#[test]
fn what_a_shell_does_to_refuse_a_line_is_hidden_while_it_says_so() {
    let mut session = Session::prompted();
    session.marks(1, "G;1.7;h;2;ls;/;");
    session.gate.answer(Verdict::Cancel, &mut Vec::new());
    assert_eq!(session.marks(1, "V;1.7;n;"), [Effect::Cancelled]);
    session.marks(1, "H;1");
    assert_eq!(session.target("There are still jobs active"), []);
    session.marks(1, "H;0");
    assert_eq!(session.target("$ "), [shown("$ ")]);
    session.marks(1, "H;1");
    session.marks(1, "D;2;0;/;0");
    assert_eq!(session.target("$ "), [shown("$ ")], "a prompt ends it");
}

#[test]
fn only_a_refusal_hides_and_only_so_much() {
    let mut session = Session::prompted();
    session.marks(1, "H;1");
    assert_eq!(session.target("text"), [shown("text")]);
    session.runs(1, 1, "ls");
    session.marks(1, "H;1");
    assert_eq!(session.target("text"), [shown("text")]);
    session.marks(1, "D;2;0;/;0");
    session.marks(1, "G;2.7;h;2;ls;/;");
    session.gate.answer(Verdict::Cancel, &mut Vec::new());
    session.marks(1, "V;2.7;n;");
    session.marks(1, "H;1");
    let flood = "x".repeat(1024);
    assert!((0..100).any(|_| !session.target(&flood).is_empty()));
}

#[test]
fn lines_end_from_the_innermost_to_the_outermost() {
    let mut session = Session::nested();
    session.runs(2, 1, "exit");
    let ends = session.marks(1, "D;2;7;/;7");
    let codes: Vec<_> = ends
        .iter()
        .filter_map(|effect| match effect {
            Effect::Ended(end) => Some(end.exit_code),
            _ => None,
        })
        .collect();
    assert_eq!(codes, [None, Some(7)]);
    assert_eq!(asked(&session.runs(1, 2, "ls")), ["ls"]);
}

#[test]
fn what_is_typed_ahead_waits_for_the_hook() {
    let mut session = Session::prompted();
    session.marks(1, "G;1.7;h;4;bash;/;");
    session.user("rm -rf /x\r");
    session.gate.answer(Verdict::Run, &mut Vec::new());
    assert_eq!(session.marks(1, "V;1.7;y;"), [Effect::Started]);
    assert_eq!(session.user("more"), []);
    session.offers_shell("$ ");
    let effects = session.marks(2, "D;1;0;/;0");
    assert_eq!(effects.last(), Some(&typed("rm -rf /x\r")), "a line at a time");
}

#[test]
fn lines_that_come_at_once_go_to_the_prompt_one_by_one() {
    let mut session = Session::prompted();
    assert_eq!(session.user("a\rb\rc"), [typed("a\r")]);
    assert_eq!(session.runs(1, 1, "a").last(), Some(&Effect::Started));
    assert_eq!(session.marks(1, "D;2;0;/;0").last(), Some(&typed("b\r")));
    session.runs(1, 2, "b");
    assert_eq!(session.rest(), [typed("c")], "it runs on, and may want input");
}

#[test]
fn a_refused_line_takes_those_behind_it_along_and_so_does_an_interrupt() {
    let mut session = Session::prompted();
    session.user("a\rb\r");
    session.marks(1, "G;1.7;h;1;a;/;");
    session.gate.answer(Verdict::Cancel, &mut Vec::new());
    session.marks(1, "V;1.7;n;");
    assert_eq!(session.marks(1, "D;2;130;/;130"), []);
    assert_eq!(session.user("c\rd\r"), [typed("c\r")]);
    assert_eq!(session.user("\x03"), [typed("\x03")]);
    assert_eq!(session.rest(), []);
}

#[test]
fn a_password_reaches_the_program_that_asks_for_it() {
    let mut session = Session::running("su -");
    session.target("Password: ");
    assert_eq!(session.user("sec"), [], "not yet known who reads it");
    assert_eq!(session.rest(), [typed("sec")]);
    assert_eq!(
        session.user("ret\rrm -rf /x\r"),
        [typed("ret")],
        "not yet known whether it is shown"
    );
    assert_eq!(session.rest(), [typed("\r")], "the next line may meet the shell");
    session.target("\r\nroot# ");
    assert_eq!(session.user("ls\r"), []);
    assert_eq!(session.rest(), [Effect::ToTarget(hooking::TRY.to_vec())]);
}

#[test]
fn a_line_that_opens_nothing_is_not_disturbed() {
    let mut session = Session::running("cat");
    session.target("$ ");
    assert_eq!(session.rest(), [], "it might have ended in no time");
    assert_eq!(session.gate.deadline(), None);
    assert_eq!(session.user("ls\r"), [typed("ls\r")]);
}

#[test]
fn an_inner_shell_that_does_not_answer_is_unknown_until_the_outer_one_is_back() {
    let mut session = Session::running("ssh router");
    session.target("router> ");
    session.rest();
    session.target("\r\nrouter> ");
    session.target("% Unknown command\r\nrouter> ");
    assert_eq!(session.user("show\r"), []);
    assert_eq!(
        session.rest(),
        [
            Effect::Lost(Lost::InnerShell),
            shown("\r\nrouter> % Unknown command\r\nrouter> "),
            typed("show\r")
        ]
    );
    assert_eq!(session.marks(1, "D;2;0;/;0")[0], Effect::Ready);
}

#[test]
fn shells_of_a_multiplexer_are_unknown_at_once() {
    let mut session = Session::prompted();
    let effects = session.runs(1, 1, "tmux attach");
    assert_eq!(effects.last(), Some(&Effect::Lost(Lost::Multiplexer)));
}

#[test]
fn a_multiplexer_that_nobody_named_is_told_when_it_takes_the_terminal() {
    let taken = "\x1b[?1049h\x1b[>c\x1b[>q";
    let lost = [shown(taken), Effect::Lost(Lost::Multiplexer)];
    assert_eq!(Session::running("./work").target(taken), lost);
    let mut awaited = Session::running("ssh third");
    awaited.target("motd\r\n");
    assert_eq!(awaited.target(taken), lost, "and no hook is typed to it");
    assert_eq!(awaited.gate.deadline(), None);
    assert_eq!(
        Session::prompted().target(taken),
        [shown(taken)],
        "a prompt is the shell's"
    );
}

#[test]
fn a_profile_that_starts_a_multiplexer_is_not_waited_for() {
    let now = Instant::now();
    let (gate, _) = ShellGate::login(LoginShell::Bash, new_nonce, now).unwrap();
    let mut session = Session { gate, now };
    session.target("\x1b[>c\x1b[>q");
    assert_eq!(session.gate.deadline(), Some(now));
    assert_eq!(session.rest(), [Effect::Lost(Lost::Shell)]);
}

#[test]
fn a_program_of_its_own_may_open_a_shell_too() {
    NONCES.set(1);
    let (now, mut out) = (Instant::now(), Vec::new());
    let gate = ShellGate::program(Opens::Shell, new_nonce, now, &mut out);
    let mut session = Session { gate, now };
    assert_eq!(session.user("ls\r"), []);
    session.offers_shell("$ ");
    assert_eq!(session.marks(2, "D;1;0;/;0").last(), Some(&typed("ls\r")));
}

#[test]
fn code_is_sent_once_and_only_when_it_was_wanted() {
    let mut session = Session::running("cat");
    assert_eq!(session.target(BASH), [Effect::Forged]);
    let mut session = Session::running("bash");
    assert_eq!(session.target(BASH), [Effect::Forged]);
    session.offers_shell("$ ");
    assert_eq!(session.target(BASH), [Effect::Forged]);
}

#[test]
fn an_outer_shell_cannot_speak_while_an_inner_one_has_the_terminal() {
    let mut session = Session::nested();
    for mark in ["G;1.9;h;2;ls;/;", "V;1.7;y;", "B", "U;x"] {
        assert_eq!(session.marks(1, mark), [Effect::Forged], "{mark}");
    }
}

#[test]
fn an_old_prompt_of_an_outer_shell_ends_nothing() {
    let mut session = Session::nested();
    assert_eq!(session.marks(1, "D;1;0;/;0"), [Effect::Forged]);
    assert_eq!(asked(&session.runs(2, 1, "ls")), ["ls"]);
    let mut session = Session::prompted();
    session.runs(1, 1, "tmux");
    assert_eq!(session.marks(1, "D;1;0;/;0"), [Effect::Forged], "still unknown");
}

#[test]
fn an_inner_shell_that_was_stopped_is_followed_again() {
    let mut session = Session::nested();
    session.runs(2, 1, "suspend");
    session.marks(1, "D;2;148;/;148");
    session.runs(1, 2, "fg");
    session.marks(2, "D;2;0;/in;0");
    assert_eq!(asked(&session.runs(2, 2, "ls")), ["ls"]);
}

#[test]
fn what_was_stopped_unknown_is_unknown_again() {
    let mut session = Session::prompted();
    session.runs(1, 1, "tmux");
    assert_eq!(session.marks(1, "D;2;148;/;148")[0], Effect::Ready);
    for prompt in 2..4 {
        let effects = session.runs(1, prompt, "fg");
        assert_eq!(effects.last(), Some(&Effect::Lost(Lost::InnerShell)));
        session.marks(1, &format!("D;{};148;/;148", prompt + 1));
    }
}

#[test]
fn a_job_that_was_no_shell_goes_on_undisturbed() {
    let mut session = Session::running("bash");
    session.marks(1, "D;2;0;/;0");
    session.runs(1, 2, "vim");
    session.marks(1, "D;3;148;/;148");
    assert_eq!(session.runs(1, 3, "fg").last(), Some(&Effect::Started));
    assert_eq!(session.user("x\r"), [typed("x\r")]);
}

#[test]
fn layers_are_bounded() {
    let mut session = Session::prompted();
    let mut last = Vec::new();
    for layer in 1..=u128::try_from(MAX_INNER).unwrap() + 1 {
        last = session.runs(layer, 1, "bash");
        if session.gate.deadline().is_some() {
            session.offers_shell("$ ");
            session.marks(layer + 1, "D;1;0;/;0");
        }
    }
    assert_eq!(last.last(), Some(&Effect::Lost(Lost::InnerShell)));
}

#[test]
fn what_a_shell_gives_back_is_typed_again_only_where_the_user_had_typed_it() {
    for (strays, typed_again) in [
        ("echo b\\n", "echo b\r"),
        ("rm -rf /x\\n", ""),
        ("echo b\\necho b\\n", ""),
    ] {
        let mut session = Session::prompted();
        session.user("ls\r");
        session.rest();
        session.user("echo b\r");
        session.marks(1, "G;1.7;h;2;ls;/;");
        session.gate.answer(Verdict::Run, &mut Vec::new());
        let mut effects = session.marks(1, &format!("V;1.7;y;{strays}"));
        effects.extend(session.rest());
        assert_eq!(
            effects.contains(&typed(typed_again)),
            !typed_again.is_empty(),
            "{strays}"
        );
        assert_eq!(effects.contains(&Effect::Invented), typed_again.is_empty(), "{strays}");
    }
}

#[test]
fn what_was_typed_into_an_inner_shell_may_come_back_from_the_outer_one() {
    let mut session = Session::nested();
    session.runs(2, 1, "exit");
    session.rest();
    session.user("ls\recho b\r");
    session.marks(1, "D;2;0;/;0");
    session.marks(1, "G;2.7;h;2;ls;/;");
    session.gate.answer(Verdict::Run, &mut Vec::new());
    session.marks(1, "V;2.7;y;echo b\\n");
    assert_eq!(session.rest(), [typed("echo b\r")]);
}

#[test]
fn what_draws_no_second_prompt_is_typed_nothing_and_may_still_become_a_shell() {
    let mut session = Session::running("ssh third");
    session.target("fetching what is new >");
    assert_eq!(session.user("ls\r"), []);
    assert_eq!(session.rest(), [Effect::ToTarget(hooking::TRY.to_vec())]);
    assert_eq!(session.target("\r\n"), [], "hidden");
    assert_eq!(session.rest(), [shown("\r\n")]);
    session.offers_shell("third$ ");
    assert_eq!(session.marks(3, "D;1;0;/;0").last(), Some(&typed("ls\r")));
}

#[test]
fn what_draws_another_line_after_an_empty_one_is_unknown() {
    let mut session = Session::running("ssh third");
    session.target("choose one >");
    session.user("1\r");
    session.rest();
    session.target("\r\nno such choice\r\n");
    assert_eq!(session.rest(), [shown("\r\nno such choice\r\n")]);
    assert_eq!(session.rest(), [], "nothing stands there");
    assert_eq!(session.rest(), [Effect::Lost(Lost::InnerShell), typed("1\r")]);
}

#[test]
fn a_prompt_may_count_and_tell_the_time() {
    let mut session = Session::running("bash");
    session.target("[9] 12:59:59 $ ");
    session.rest();
    assert_eq!(
        session.target("\r\n[10] 13:00:00 $ "),
        [Effect::ToTarget(bootstrap::inner_line())]
    );
}

/// A line has opened a shell that was typed to, and it has not said in time which it is.
fn late() -> Session {
    let mut session = Session::running("bash");
    session.target("$ ");
    session.rest();
    session.target("\r\n$ ");
    assert_eq!(session.rest()[0], Effect::Lost(Lost::InnerShell));
    session
}

#[test]
fn a_shell_that_asks_too_late_for_its_hook_is_told_once_that_there_is_none() {
    let mut session = late();
    assert_eq!(session.target(BASH), [Effect::ToTarget(bootstrap::NO_CODE.to_vec())]);
    assert_eq!(session.target(BASH), [Effect::Forged]);
    let mut session = late();
    session.marks(1, "D;2;0;/;0");
    assert_eq!(session.target(BASH), [Effect::Forged], "it is gone");
}

#[test]
fn a_hook_that_comes_up_late_is_welcome() {
    let mut session = Session::running("bash");
    session.offers_shell("$ ");
    assert_eq!(session.rest()[0], Effect::Lost(Lost::InnerShell));
    assert!(session.marks(2, "D;1;0;/;0").contains(&Effect::Ready));
    assert_eq!(asked(&session.runs(2, 1, "ls")), ["ls"]);
}

#[test]
fn a_key_that_signals_forgets_what_is_held() {
    for key in ["\x03", "\x1a", "\x1c"] {
        let mut session = Session::running("ssh third");
        session.user("rm -rf /x\r");
        assert_eq!(session.user(&format!("more{key}ls\r")), [typed(key)], "for what runs");
        session.offers_shell("third$ ");
        assert_eq!(session.marks(2, "D;1;0;/;0").last(), Some(&typed("ls\r")), "{key:?}");

        let mut session = Session::prompted();
        assert_eq!(session.user("ls\rrm -rf /x\r"), [typed("ls\r")]);
        assert_eq!(session.user(&format!("a{key}b")), [typed(key)]);
        assert_eq!(session.rest(), [typed("b")], "{key:?}");
    }
}

#[test]
fn a_signal_while_a_hook_is_placed_waits_for_the_shell() {
    let mut session = Session::running("bash");
    session.offers_shell("$ ");
    assert_eq!(session.user("rm -rf /x\r"), []);
    assert_eq!(session.user("\x03ls\r"), []);
    assert_eq!(session.marks(2, "D;1;0;/;0").last(), Some(&typed("\x03ls\r")));
}

#[test]
fn a_signal_while_a_shell_waits_forgets_what_was_typed_ahead_of_it() {
    let mut session = Session::prompted();
    session.marks(1, "G;1.7;h;2;ls;/;");
    session.user("rm -rf /x\r");
    session.user("\x03");
    session.gate.answer(Verdict::Run, &mut Vec::new());
    assert_eq!(session.marks(1, "V;1.7;y;"), [Effect::Started, typed("\x03")]);
}

#[test]
fn an_end_of_file_keeps_its_place() {
    let mut session = Session::running("ssh third");
    assert_eq!(session.user("ls\r"), []);
    assert_eq!(session.user("\x04"), []);
    session.offers_shell("third$ ");
    assert_eq!(session.marks(2, "D;1;0;/;0").last(), Some(&typed("ls\r")));
    session.runs(2, 1, "ls");
    assert_eq!(session.marks(2, "D;2;0;/;0").last(), Some(&typed("\x04")));
}

#[test]
fn nothing_is_tried_twice_where_nothing_was_said_to_it() {
    let mut session = Session::running("ssh third");
    session.target("choose one >");
    session.rest();
    assert_eq!(session.rest(), [], "silent");
    assert_eq!(session.rest(), [Effect::Lost(Lost::InnerShell)]);
}
