//! Whatever was recorded: what is shown of it later only draws, wherever the reads fall, and a file that is no recording is refused.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use opspilot::recording::{Action, Player, Tame};
use tempfile::TempDir;

static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a directory"));

/// Asserts that a terminal that is shown this answers nothing, and keeps nothing but what is drawn.
fn only_draws(shown: &str) {
    let mut characters = shown.chars();
    while let Some(character) = characters.next() {
        match character {
            '\x1b' => sequence(&mut characters),
            '\x05' | '\x7f'..='\u{9f}' => panic!("{shown:?}"),
            _ => {}
        }
    }
}

fn sequence(characters: &mut impl Iterator<Item = char>) {
    match characters.next() {
        Some('[') => {
            let last = characters.find(|character| matches!(character, '@'..='~'));
            assert!(last.is_some_and(|last| !"cntx".contains(last)), "{last:?}");
        }
        other => assert!(other.is_some_and(|other| !"]PX^_Z\\".contains(other)), "{other:?}"),
    }
}

fn tamed<'a>(pieces: impl Iterator<Item = &'a str>) -> String {
    let mut tame = Tame::default();
    let shown: String = pieces.map(|piece| tame.feed(piece)).collect();
    only_draws(&tame.resume());
    only_draws(&tame.restore());
    shown
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = str::from_utf8(bytes) {
        let shown = tamed([text].into_iter());
        only_draws(&shown);
        assert_eq!(tamed(text.split_inclusive(|_| true)), shown);
    }
    let path = DIRECTORY.path().join("1.cast.zst");
    std::fs::write(&path, bytes).expect("a file");
    let Ok(mut player) = Player::open(&path) else { return };
    let mut tame = Tame::default();
    while let Ok(Some(event)) = player.next_event() {
        if let Action::Output(text) = event.action {
            only_draws(&tame.feed(&text));
        }
    }
});
