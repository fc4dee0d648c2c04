//! A gate between a user and a terminal that echoes as told.

use proptest::prelude::*;

use super::*;

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A gate, and a clock that only the test moves.
struct Desk {
    gate: ScreenGate,
    now: Instant,
}

impl Desk {
    fn new() -> Self {
        Self {
            gate: ScreenGate::new(Dialect::Bash, 40, 10).unwrap(),
            now: Instant::now(),
        }
    }

    /// At a prompt that was drawn a while ago.
    fn at_prompt() -> Self {
        let mut desk = Self::new();
        desk.target("hello\r\n$ ");
        desk.wait(500);
        desk
    }

    /// With `line` typed and echoed.
    fn typed(line: &str) -> Self {
        let mut desk = Self::at_prompt();
        desk.user(line);
        desk.target(line);
        desk
    }

    /// With a question about `line`.
    fn asked(line: &str) -> Self {
        let mut desk = Self::typed(line);
        assert_eq!(desk.user("\r"), [asking(line)]);
        desk
    }

    fn target(&mut self, text: &str) -> Vec<Effect> {
        let mut out = Vec::new();
        self.gate.from_target(self.now, text.as_bytes(), &mut out);
        out.retain(|effect| !matches!(effect, Effect::ToUser(_)));
        out
    }

    fn user(&mut self, keys: &str) -> Vec<Effect> {
        let mut out = Vec::new();
        self.gate.from_user(self.now, keys.as_bytes(), &mut out);
        out
    }

    fn answer(&mut self, verdict: Verdict) -> Vec<Effect> {
        let mut out = Vec::new();
        self.gate.answer(verdict, &mut out);
        out
    }

    /// Lets time pass, and every deadline in it.
    fn wait(&mut self, time: u64) -> Vec<Effect> {
        let (end, mut out) = (self.now + millis(time), Vec::new());
        while let Some(deadline) = self.gate.deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline.max(self.now);
            let before = (self.gate.deadline(), out.len());
            self.gate.timed_out(self.now, &mut out);
            assert_ne!(
                (self.gate.deadline(), out.len()),
                before,
                "a deadline that changes nothing"
            );
        }
        self.now = end;
        out
    }
}

fn asking(text: &str) -> Effect {
    Effect::Asking(line(Reading::Text(text.to_owned()), Dialect::Bash))
}

fn asking_unknown() -> Effect {
    Effect::Asking(line(Reading::Unknown, Dialect::Bash))
}

fn to_shell(text: &str) -> Effect {
    Effect::ToTarget(text.as_bytes().to_vec())
}

fn ended(output_bytes: u64) -> Effect {
    Effect::Ended(LineEnd {
        output_bytes,
        ..LineEnd::default()
    })
}

#[test]
fn a_line_s_whole_way() {
    let mut desk = Desk::at_prompt();
    assert_eq!(desk.user("ls"), [to_shell("ls")], "keys go on as they are typed");
    desk.target("ls");
    assert_eq!(
        desk.user("\r"),
        [asking("ls")],
        "all that was typed is there: nothing to wait for"
    );
    assert_eq!(desk.answer(Verdict::Run), [to_shell("\r"), Effect::Started]);
    desk.target("\r\na b c\r\n$ ");
    desk.wait(100);
    assert_eq!(desk.user("p"), [ended(11), to_shell("p")]);
}

#[test]
fn enter_waits_for_the_echo() {
    let mut desk = Desk::at_prompt();
    assert_eq!(desk.user("ls\r"), [to_shell("ls")]);
    assert_eq!(desk.wait(200), []);
    assert_eq!(desk.target("l"), []);
    assert_eq!(desk.target("s"), [asking("ls")]);
}

#[test]
fn a_line_that_was_edited_is_read_when_the_screen_is_quiet() {
    let mut desk = Desk::at_prompt();
    desk.user("ac\x1b[Db\r");
    assert_eq!(desk.target("ac\x08"), []);
    assert_eq!(desk.target("bc\x08"), []);
    assert_eq!(desk.wait(100), [asking("abc")]);
}

#[test]
fn a_refused_line_is_interrupted_and_what_was_typed_ahead_dropped() {
    let mut desk = Desk::asked("rm x");
    assert_eq!(desk.user("more\r"), []);
    assert_eq!(desk.answer(Verdict::Cancel), [to_shell("\x03"), Effect::Cancelled]);
    desk.target("^C\r\n$ ");
    assert_eq!(desk.wait(1000), []);
    assert_eq!(desk.user("x"), [to_shell("x")]);
}

#[test]
fn a_refused_line_that_the_target_keeps_is_asked_about_again() {
    let mut desk = Desk::asked("rm x");
    desk.answer(Verdict::Cancel);
    assert_eq!(desk.user("\r"), []);
    assert_eq!(desk.wait(5000), [asking_unknown()]);
}

#[test]
fn what_is_typed_ahead_waits_for_the_next_prompt() {
    let mut desk = Desk::asked("make");
    desk.user("pwd\r");
    desk.answer(Verdict::Run);
    assert_eq!(desk.wait(100), []);
    desk.target("\r\nmade\r\n$ ");
    assert_eq!(desk.wait(100), [ended(10), to_shell("pwd")]);
    assert_eq!(desk.target("pwd"), [asking("pwd")]);
}

#[test]
fn an_empty_line_and_a_hidden_one_are_passed_on_without_a_trace() {
    let mut desk = Desk::at_prompt();
    assert_eq!(desk.user("\r"), [to_shell("\r")]);
    desk.target("\r\nPassword: ");
    desk.wait(500);
    assert_eq!(desk.user("s3cret\r"), [to_shell("s3cret")]);
    assert_eq!(desk.wait(1000), [to_shell("\r")], "no echo came");
    assert_eq!(desk.target("\r\n$ "), []);
    assert!(!format!("{:?}", desk.gate).contains("s3cret"));
}

#[test]
fn an_echo_that_comes_after_all_is_a_line_that_ran_unasked() {
    let mut desk = Desk::at_prompt();
    desk.user("ls\r");
    desk.wait(2000);
    assert_eq!(
        desk.target("ls\r\na\r\n$ "),
        [Effect::Unasked {
            text: String::new(),
            dialect: Dialect::Bash
        }]
    );
}

#[test]
fn output_in_between_makes_an_edited_line_unknown() {
    let mut desk = Desk::at_prompt();
    desk.user("ac\x1b[D");
    desk.target("ac\x08");
    desk.wait(3000);
    desk.target("\x1b[Cx");
    assert_eq!(desk.user("\r"), [asking_unknown()]);
}

#[test]
fn more_on_the_screen_than_was_typed_is_unknown() {
    let mut desk = Desk::at_prompt();
    desk.user("ls");
    desk.target("ls\x1b[2m -la\x1b[m\x1b[4D");
    desk.user("\r");
    assert_eq!(desk.wait(500), [asking_unknown()], "a suggestion");
    let mut desk = Desk::typed("ls");
    desk.target("$ ls");
    desk.user("\r");
    assert_eq!(desk.wait(500), [asking_unknown()], "another prompt on the same row");
}

#[test]
fn a_line_is_followed_to_where_the_shell_draws_it_again() {
    let mut desk = Desk::at_prompt();
    desk.user("cat am\t\t");
    desk.target("cat am\r\namb_a  amb_b\r\n$ cat amb_");
    desk.user("a\r");
    desk.target("a");
    assert_eq!(desk.wait(500), [asking("cat amb_a")]);
}

#[test]
fn a_search_in_the_history_is_unknown() {
    let mut desk = Desk::at_prompt();
    desk.user("\x12ls");
    desk.target("\r(reverse-i-search)`ls': ls -la");
    desk.user("\r");
    assert_eq!(desk.wait(500), [asking_unknown()]);
}

#[test]
fn an_edited_line_that_may_go_on_out_of_sight_is_unknown() {
    let mut desk = Desk::at_prompt();
    desk.user("\x1b[A");
    desk.target("tail xxxxxxxxxxxxxxxxxxxxxxxxxxxx<");
    desk.wait(100);
    assert_eq!(
        desk.user("\r"),
        [asking("tail xxxxxxxxxxxxxxxxxxxxxxxxxxxx<")],
        "it ends before the margin"
    );
    let mut desk = Desk::at_prompt();
    desk.user("\x1b[A");
    desk.target("tail xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx<x");
    desk.wait(100);
    assert_eq!(desk.user("\r"), [asking_unknown()]);
}

#[test]
fn a_line_longer_than_the_screen_is_unknown() {
    let long = "x".repeat(500);
    let mut desk = Desk::typed(&long);
    desk.user("\r");
    assert_eq!(desk.wait(500), [asking_unknown()]);
}

#[test]
fn the_rest_of_a_longer_line_is_unknown() {
    let mut desk = Desk::asked("rm \\");
    desk.answer(Verdict::Run);
    desk.target("\r\n> ");
    desk.wait(100);
    desk.user("-rf /");
    desk.target("-rf /");
    assert_eq!(desk.user("\r"), [asking_unknown()]);
}

#[test]
fn a_marked_paste_of_several_lines_is_asked_about_before_it_is_sent() {
    let mut desk = Desk::at_prompt();
    desk.target("\x1b[?2004h");
    desk.wait(500);
    let paste = "\x1b[200~rm x\rrm y\x1b[201~";
    assert_eq!(desk.user("\x1b[200~rm x\r"), []);
    assert_eq!(desk.user("rm y\x1b[201~"), [asking_unknown()]);
    assert_eq!(desk.answer(Verdict::Run), [to_shell(paste), Effect::Started]);
    assert_eq!(
        desk.user("\r"),
        [ended(0), asking_unknown()],
        "and so is Enter behind it"
    );
}

#[test]
fn marks_of_a_paste_that_nobody_asked_for_protect_nothing() {
    let mut desk = Desk::at_prompt();
    desk.user("\x1b[200~rm x\rrm y\x1b[201~");
    desk.target("^[[200~rm x");
    assert_eq!(desk.wait(500), [asking_unknown()]);
}

#[test]
fn an_interrupt_waits_for_nothing() {
    let mut desk = Desk::asked("sleep 9");
    desk.answer(Verdict::Run);
    assert_eq!(desk.user("abc"), []);
    assert_eq!(desk.user("\x03"), [to_shell("\x03")]);
}

#[test]
fn a_program_with_the_whole_screen_is_left_alone() {
    for (on, off) in [("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?47h", "\x1b[?47l")] {
        let mut desk = Desk::asked("vi");
        desk.answer(Verdict::Run);
        desk.target(&format!("\r\n{on}~"));
        assert_eq!(desk.user(":q!\r"), [to_shell(":q!\r")]);
        desk.target(&format!("{off}\r\n$ "));
        desk.wait(100);
        desk.user("ls");
        desk.target("ls");
        assert_eq!(desk.user("\r"), [asking("ls")]);
    }
}

#[test]
fn an_answer_without_a_question_changes_nothing() {
    let mut desk = Desk::at_prompt();
    desk.user("ls\r");
    assert_eq!(desk.answer(Verdict::Run), []);
    assert_eq!(desk.target("ls"), [asking("ls")]);
}

#[test]
fn a_line_that_the_shell_has_put_there_is_read() {
    let mut desk = Desk::asked("ls");
    desk.answer(Verdict::Run);
    desk.target("\r\n$ rm x");
    desk.wait(500);
    assert_eq!(desk.user("\r"), [ended(8), asking("rm x")]);
}

#[test]
fn a_fetched_line_behind_a_strange_prompt_is_unknown() {
    let mut desk = Desk::typed("cd /");
    desk.user("\x0f");
    desk.answer(Verdict::Run);
    desk.target("\r\n/ $ rm x");
    desk.wait(500);
    assert_eq!(desk.user("\r"), [ended(10), asking_unknown()]);
}

#[test]
fn a_picker_comes_back_to_the_line_that_called_it() {
    let mut desk = Desk::at_prompt();
    desk.user("\x12");
    desk.target("\x1b[?1049h> \r\nrm x");
    assert_eq!(desk.user("rm\r"), [to_shell("rm\r")]);
    desk.target("\r\n\x1b[?1049lrm x");
    desk.wait(500);
    assert_eq!(desk.user("\r"), [asking("rm x")]);
}

#[test]
fn a_multiplexer_is_told_and_its_end_too() {
    let mut desk = Desk::typed("tmux");
    let effects = desk.user("\r");
    assert!(matches!(&effects[..], [Effect::Asking(line)] if line.opens == Some(Opens::Multiplexer)));
    desk.answer(Verdict::Run);
    desk.target("\x1b[?1049h$ ");
    assert_eq!(
        desk.user("rm -rf /\r"),
        [to_shell("rm -rf /\r")],
        "the caller has decided about the whole"
    );
    desk.target("\x1b[?1049l[detached]\r\n$ ");
    desk.wait(100);
    assert_eq!(desk.user("l"), [ended(32), Effect::Ready, to_shell("l")]);
}

#[test]
fn sizes_that_no_terminal_has_are_survived() {
    for (columns, rows) in [(0, 0), (1, 1), (1, 500), (u16::MAX, u16::MAX)] {
        let mut desk = Desk::at_prompt();
        desk.gate.resize(columns, rows);
        desk.user("ls\u{e9}\t");
        desk.target("ls\u{e9}\t\x1b[H\x1b[9999;9999Hx\r\n$ ");
        desk.user("\r");
        desk.wait(500);
        assert!(ScreenGate::new(Dialect::Bash, columns, rows).is_some());
    }
}

#[test]
fn where_the_width_is_not_known_a_wrapped_line_is_unknown() {
    let mut desk = Desk {
        gate: ScreenGate::new(Dialect::Bash, 0, 0).unwrap(),
        now: Instant::now(),
    };
    for (length, wanted) in [(20, asking(&"x".repeat(20))), (100, asking_unknown())] {
        desk.target("\r\n$ ");
        desk.wait(500);
        desk.user(&"x".repeat(length));
        desk.target(&"x".repeat(length));
        desk.user("\r");
        let effects = [desk.wait(500), vec![wanted.clone()]].concat();
        assert!(effects.contains(&wanted), "{effects:?}");
        desk.answer(Verdict::Cancel);
    }
}

#[test]
fn input_held_back_is_bounded() {
    let mut desk = Desk::asked("ls");
    for _ in 0..40 {
        desk.user(&"x".repeat(64 * 1024));
    }
    assert_eq!(desk.gate.held.len(), MAX_HELD);
}

/// What happens in a property test.
#[derive(Debug, Clone)]
enum Event {
    Target(Vec<u8>),
    User(Vec<u8>),
    Answer(Verdict),
    Wait(u64),
    Resize(u16, u16),
}

/// Bytes as they come, and those that terminals are moved by.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let telling = [
        "\r",
        "\n",
        "\r\n$ ",
        "\x1b[H",
        "\x1b[2J",
        "\x1b[K",
        "\x1b[?1049h",
        "\x1b[?1049l",
        "\x1b[?47h",
        "\x1b[?2004h",
        "\x1b[200~",
        "\x1b[201~",
        "\x1b[P",
        "\x1b[@",
        "\x1b[L",
        "\x1b[M",
        "\x1b[A",
        "\x1b[2;5r",
        "\x1b[6n",
        "\x1bc",
        "\x1b[24;8R",
        "\t",
        "\x08",
        "\x03",
        "\x04",
        "\x0f",
        "ls",
        "rm -rf /",
        "\u{4e2d}",
        "e\u{301}",
        "\u{1f600}",
    ];
    let pieces = prop_oneof![
        3 => proptest::sample::select(telling.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat())
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => bytes().prop_map(Event::Target),
        4 => bytes().prop_map(Event::User),
        2 => proptest::sample::select(vec![Verdict::Run, Verdict::Cancel]).prop_map(Event::Answer),
        3 => (0u64..3000).prop_map(Event::Wait),
        1 => (0u16..120, 0u16..40).prop_map(|(columns, rows)| Event::Resize(columns, rows)),
    ]
}

/// Whether `part` is what is left of `whole` after some of it was dropped.
fn is_left_of(part: &[u8], whole: &[u8]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|byte| whole.any(|other| other == byte))
}

proptest! {
    /// Whatever comes from either side: what the target writes is shown as it is, what the user types goes on in its order or
    /// not at all, nothing is added but an interrupt for each refusal, and questions and answers alternate.
    #[test]
    fn both_streams_stay_what_they_are(events in proptest::collection::vec(event(), 0..60)) {
        let mut desk = Desk::new();
        let (mut written, mut shown, mut typed, mut sent) = (vec![], vec![], vec![], vec![]);
        let mut open = false;
        for event in events {
            let mut out = Vec::new();
            match event {
                Event::Target(bytes) => {
                    written.extend_from_slice(&bytes);
                    desk.gate.from_target(desk.now, &bytes, &mut out);
                }
                Event::User(bytes) => {
                    typed.extend_from_slice(&bytes);
                    desk.gate.from_user(desk.now, &bytes, &mut out);
                }
                Event::Answer(verdict) => {
                    let was_open = std::mem::take(&mut open);
                    out = desk.answer(verdict);
                    prop_assert_eq!(was_open, !out.is_empty());
                    if verdict == Verdict::Cancel && was_open {
                        prop_assert_eq!(&out, &vec![to_shell("\x03"), Effect::Cancelled]);
                        out.clear();
                    }
                }
                Event::Wait(time) => out = desk.wait(time),
                Event::Resize(columns, rows) => desk.gate.resize(columns, rows),
            }
            for effect in out {
                match effect {
                    Effect::ToUser(bytes) => shown.extend(bytes),
                    Effect::ToTarget(bytes) => {
                        prop_assert!(!open, "sent while a question stands: {bytes:?}");
                        sent.extend(bytes);
                    }
                    Effect::Asking(line) => {
                        prop_assert!(!open, "two questions at once");
                        prop_assert_eq!(line.exactness == Exactness::Unknown, line.text.is_empty());
                        open = true;
                    }
                    _ => {}
                }
            }
        }
        prop_assert_eq!(shown, written);
        prop_assert!(is_left_of(&sent, &typed));
    }

    /// At a terminal that echoes plainly, no line goes on without a yes that has anything in it, and it is asked about by its
    /// own text.
    #[test]
    fn no_visible_line_runs_without_a_yes(
        lines in proptest::collection::vec(("[ -~]{0,60}", any::<bool>(), 0u64..400), 1..6),
    ) {
        let mut desk = Desk::new();
        for (line, yes, lag) in lines {
            desk.target("\r\n$ ");
            desk.wait(500);
            let mut effects = desk.user(&format!("{line}\r"));
            effects.extend(desk.wait(lag));
            effects.extend(desk.target(&line));
            effects.extend(desk.wait(2000));
            let asked: Vec<_> = effects.iter().filter(|effect| matches!(effect, Effect::Asking(_))).collect();
            let ran = effects.contains(&to_shell("\r"));
            if line.trim().is_empty() {
                // Below a prompt whose line fills the row, it cannot be told which of the two a line belongs to.
                prop_assert!(if ran { asked.is_empty() } else { asked == [&asking_unknown()] }, "{asked:?}");
                desk.answer(Verdict::Cancel);
                continue;
            }
            prop_assert!(!ran, "{line:?} ran unasked");
            prop_assert!(asked == [&asking(&line)] || asked == [&asking_unknown()], "{asked:?}");
            let answered = desk.answer(if yes { Verdict::Run } else { Verdict::Cancel });
            prop_assert_eq!(answered.contains(&to_shell("\r")), yes);
        }
    }
}
