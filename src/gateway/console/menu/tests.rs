//! The menu on an emulated terminal: what its window shows, and what is asked for.

use proptest::prelude::*;
use unicode_width::UnicodeWidthStr as _;

use super::super::list::entry;
use super::*;

/// When everything is typed, milliseconds: long after what is asked at 0 was drawn.
const LATER: u64 = 10_000;

/// A menu and the terminal that shows it.
struct Shown {
    menu: Menu,
    terminal: avt::Terminal,
}

impl Shown {
    fn new(size: (u16, u16), entries: Vec<Entry>) -> Self {
        let window = Window::new(size, true, false);
        let menu = Menu::new("alice".parse().unwrap(), entries, window);
        let terminal = avt::Terminal::new(usize::from(size.0), usize::from(size.1)).unwrap();
        let mut shown = Self { menu, terminal };
        let opening = shown.menu.say("");
        shown.terminal.feed(&opening);
        shown
    }

    fn hear(&mut self, text: &str) -> Option<Asked> {
        let heard = self.menu.hear(text.as_bytes(), LATER);
        let (shown, asked) = (heard.shown, heard.asked);
        self.terminal.feed(&shown);
        asked
    }

    /// The rows that show anything.
    fn rows(&self) -> Vec<String> {
        let rows = self
            .terminal
            .screen()
            .visible_lines()
            .map(|line| line.text().trim_end().to_owned());
        rows.filter(|row| !row.is_empty()).collect()
    }
}

fn few() -> Vec<Entry> {
    vec![
        entry(1, "web-1", &["env=prod"]),
        entry(2, "web-2", &["env=test"]),
        entry(3, "db-1", &["env=prod"]),
    ]
}

fn many(count: usize) -> Vec<Entry> {
    (1..=count)
        .map(|number| entry(number, &format!("host-{number:03}"), &["env=prod"]))
        .collect()
}

fn connect(target: &str, login: &str) -> Asked {
    Asked::Connect {
        target: target.parse().unwrap(),
        login: login.to_owned(),
    }
}

#[test]
fn a_search_narrows_the_list_while_it_is_typed() {
    let mut shown = Shown::new((60, 24), few());
    assert_eq!(
        shown.rows(),
        [
            "opspilot: 3 targets for alice",
            "1  web-1  deploy,root  env=prod",
            "2  web-2  deploy,root  env=test",
            "3  db-1   deploy,root  env=prod",
            "a number or text to search for; help, exit",
            ">"
        ]
    );
    assert_eq!(shown.hear("web pr"), None);
    assert_eq!(
        shown.rows(),
        [
            "opspilot: 1 of 3 targets for alice",
            "1  web-1  deploy,root  env=prod",
            "a number or text to search for; help, exit",
            "> web pr"
        ]
    );
    shown.hear("\u{15}");
    assert_eq!(shown.rows().len(), 6, "the whole list is back");
}

#[test]
fn a_number_a_name_or_what_finds_one_alone_connects() {
    for (line, expected) in [
        ("2\r", Some(connect("web-2", "deploy"))),
        ("web-1\r", Some(connect("web-1", "deploy"))),
        ("web-1.internal\r", Some(connect("web-1", "deploy"))),
        ("web test\r", Some(connect("web-2", "deploy"))),
        ("DB\r", Some(connect("db-1", "deploy"))),
        ("root@db-1\r", Some(connect("db-1", "root"))),
        ("root@3\r", Some(connect("db-1", "root"))),
        ("we\x7fb\x7f\x7fdb\r", Some(connect("db-1", "deploy"))),
        ("prod\r", None),
        ("nothing\r", None),
        ("root@\r", None),
        ("\r", None),
    ] {
        assert_eq!(Shown::new((60, 24), few()).hear(line), expected, "{line:?}");
    }
}

#[test]
fn what_stands_for_two_targets_connects_to_neither() {
    let entries = vec![entry(1, "2", &[]), entry(2, "web", &[])];
    let mut shown = Shown::new((120, 24), entries);
    assert_eq!(shown.hear("2\r"), None);
    assert!(
        shown.rows().iter().any(|row| row.contains("the name of another")),
        "{:?}",
        shown.rows()
    );
}

#[test]
fn commands_are_the_same_words_and_targets_is_a_search() {
    let mut shown = Shown::new((60, 24), few());
    assert_eq!(shown.hear("history 5\r"), Some(Asked::Command(Words::History(5))));
    assert_eq!(shown.hear("targets db\r"), None);
    assert_eq!(shown.rows().last().unwrap(), "> db");
    assert_eq!(shown.hear("\u{3}confirm\r"), None);
    assert!(shown.rows().iter().any(|row| row.contains("confirm CODE")));
}

#[test]
fn what_stands_behind_a_line_is_not_looked_at() {
    let mut menu = Menu::new("alice".parse().unwrap(), few(), Window::new((60, 24), true, false));
    let heard = menu.hear(b"1\rls -l\r", LATER);
    assert_eq!(
        (heard.asked, heard.rest),
        (Some(connect("web-1", "deploy")), b"ls -l\r".as_slice())
    );
}

#[test]
fn leaving_takes_an_empty_line() {
    let mut shown = Shown::new((60, 24), few());
    assert_eq!(shown.hear("web\u{4}"), None, "^D does nothing within a line");
    assert_eq!(shown.hear("\u{3}"), None, "^C clears it");
    assert_eq!(shown.hear("\u{4}"), Some(Asked::Leave));
    assert_eq!(Shown::new((60, 24), few()).hear("\u{3}"), Some(Asked::Leave));
}

#[test]
fn only_a_yes_lets_a_command_run() {
    let asked = |answer: &str| {
        let mut shown = Shown::new((60, 24), few());
        shown.menu.ask_about("7K3QXM".to_owned(), 0);
        let question = shown.menu.say("rm -rf /srv\n");
        shown.terminal.feed(&question);
        assert_eq!(shown.rows().last().unwrap(), "run it? [y/N]");
        shown.hear(answer)
    };
    assert_eq!(asked("y\r"), Some(Asked::Confirmed("7K3QXM".to_owned())));
    for no in [
        "\r",
        "n\r",
        "yess\r",
        "\u{3}",
        "\u{3}y\r",
        "\u{1b}[200~y\r\u{1b}[201~\r",
        "\u{1b}]lyes\r\u{1b}\\\r",
    ] {
        assert_eq!(asked(no), None, "{no:?}");
    }
}

#[test]
fn what_was_typed_before_the_command_can_be_read_lets_nothing_run() {
    let mut menu = Menu::new("alice".parse().unwrap(), few(), Window::new((60, 24), true, false));
    menu.ask_about("7K3QXM".to_owned(), LATER);
    let early = menu.hear(b"y\r", LATER + 200);
    assert_eq!((early.asked, early.rest), (None, b"".as_slice()));
    let answered = menu.hear(b"y\r", LATER + 1000);
    assert_eq!(answered.asked, Some(Asked::Confirmed("7K3QXM".to_owned())));
}

#[test]
fn many_targets_are_turned_page_by_page() {
    let mut shown = Shown::new((40, 10), many(14));
    let first = |shown: &Shown| shown.rows()[1].trim_start().to_owned();
    assert_eq!(shown.rows().len(), 9, "{:?}", shown.rows());
    assert!(first(&shown).starts_with("1  host-001"));
    shown.hear("\r");
    assert!(first(&shown).starts_with("7  host-007"), "{:?}", shown.rows());
    shown.hear("\x1b[6~\x1b[6~\x1b[6~");
    assert!(
        first(&shown).starts_with("13  host-013"),
        "the last page stays: {:?}",
        shown.rows()
    );
    shown.hear("\r");
    assert!(first(&shown).starts_with("1  host-001"), "and the first follows it");
    shown.hear("\x1b[5~");
    assert!(first(&shown).starts_with("1  host-001"));
}

#[test]
fn a_new_size_is_drawn_anew() {
    let mut shown = Shown::new((80, 24), many(50));
    shown.terminal.resize(40, 8);
    let drawn = shown.menu.resize((40, 8));
    shown.terminal.feed(&drawn);
    assert_eq!(shown.rows().len(), 7);
    shown.hear("host-05");
    assert_eq!(shown.rows().len(), 4, "{:?}", shown.rows());
    assert_eq!(shown.menu.resize((40, 8)), "", "nothing has changed");
}

#[test]
fn a_terminal_that_only_writes_gets_no_sequences() {
    let window = Window::new((80, 24), false, false);
    let mut menu = Menu::new("alice".parse().unwrap(), few(), window);
    let mut all = menu.say("");
    for text in ["we", "b\x7fb\r", "\u{15}", "\x1b[6~"] {
        all += &menu.hear(text.as_bytes(), LATER).shown;
    }
    all += &menu.resize((40, 10));
    assert!(!all.contains('\x1b'), "{all:?}");
    assert!(all.contains("web\x08 \x08b\r\n"), "{all:?}");
    assert!(all.contains("2 targets match"), "{all:?}");
}

proptest! {
    #[test]
    fn no_row_leaves_the_window(
        typed in prop::collection::vec(prop_oneof!["[a-z0-9 @\r\x7f\u{3}\u{15}日é]{1,12}", "\\PC{1,8}"], 0..6),
        columns in 20u16..100,
        rows in 6u16..40,
        targets in 0usize..60,
    ) {
        let mut shown = Shown::new((columns, rows), many(targets));
        for text in typed {
            if shown.hear(&text).is_some() {
                let again = shown.menu.say("");
                shown.terminal.feed(&again);
            }
            let block = shown.menu.block();
            prop_assert!(block.split("\r\n").all(|row| row.width() < usize::from(columns)), "{block:?}");
            prop_assert!(block.split("\r\n").count() <= usize::from(rows));
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>, movable: bool, columns: u16, rows: u16) {
        let window = Window::new((columns, rows), movable, true);
        let mut menu = Menu::new("alice".parse().unwrap(), many(5), window);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            rest = menu.hear(rest, LATER).rest;
        }
    }
}
