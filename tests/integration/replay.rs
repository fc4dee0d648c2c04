//! Recordings played: without harm to the terminal, which gets back what it was, and nothing but recordings.

use std::process::Command;

use crate::harness::{Terminal, World};
use crate::recording::{directory, recording, replay};

#[test]
fn what_a_target_sends_to_a_terminal_does_not_reach_the_one_that_plays_it() {
    let world = World::new();
    let hostile = "printf 'a\\033]52;c;ZXZpbA==\\007b\\033[c\\033[6n\\033[21t\\033P$qm\\033\\\\c\\033[31mred\\n'";
    let mut terminal = world.alice().terminal(hostile);
    assert_eq!(terminal.finish(), 0);
    let row = recording(&world, "complete");
    let (text, _) = replay(&world, &[&row.session_id]);
    assert_eq!(text, "abc\u{1b}[31mred\r\n");
    let (cast, _) = replay(&world, &["--cast", &row.session_id]);
    assert!(
        contains(cast.as_bytes(), "52;c;ZXZpbA=="),
        "the recording itself keeps everything: {cast}"
    );
}

/// What plays a recording on a terminal: hidden cursor, the alternate screen, and ticks for longer than a test takes.
fn slow_replay(world: &World) -> Command {
    // Forty pauses, each of which takes a second when it is played: none is long, and all together outlast the test.
    let program = "printf '\\033[?1049h\\033[?25lhidden'; i=0; while [ $((i+=1)) -le 40 ]; do sleep 0.02; echo tick; done; echo later";
    let mut terminal = world.alice().terminal(program);
    assert_eq!(terminal.finish(), 0);
    let row = recording(world, "complete");
    let config = world.bastion.config_file();
    crate::harness::opspilot(&[
        "replay",
        &row.session_id,
        "--speed",
        "0.01",
        "--idle-limit",
        "0.01",
        "-c",
        config.to_str().unwrap(),
    ])
}

#[test]
fn an_interrupted_replay_leaves_the_terminal_as_it_was() {
    let world = World::new();
    let mut player = Terminal::start(&slow_replay(&world));
    player.expect("hidden");
    assert!(!player.echoes(), "what a terminal answers is not shown");
    player.send("\u{3}");
    assert_eq!(player.finish(), 0);
    assert!(player.echoes());
    let shown = player.screen.to_end();
    assert!(
        contains(&shown, "\u{1b}[?1049l") && contains(&shown, "\u{1b}[?25h"),
        "{shown:?}"
    );
    assert!(!contains(&shown, "later"));
}

fn contains(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|part| part == needle.as_bytes())
}

/// How often `sequence` was sent to the terminal so far.
fn count(player: &Terminal, sequence: &str) -> usize {
    let bytes = player.screen.bytes();
    bytes
        .windows(sequence.len())
        .filter(|part| *part == sequence.as_bytes())
        .count()
}

#[test]
fn a_stopped_replay_gives_the_terminal_back_and_takes_it_again() {
    let world = World::new();
    let replay = slow_replay(&world);
    // A shell that runs jobs, and leaves the terminal as a job has left it.
    let mut player = Terminal::start(Command::new("dash").arg("-i").env("PS1", "job> "));
    player.expect("job> ");
    let words = [replay.get_program()].into_iter().chain(replay.get_args());
    player.line(
        &words
            .map(|word| format!("'{}'", word.display()))
            .collect::<Vec<_>>()
            .join(" "),
    );
    for stops in 1..=2 {
        player.expect("tick");
        assert!(!player.echoes());
        assert_eq!(count(&player, "\u{1b}[?1049h"), stops, "the screen that is played on");
        player.send("\u{1a}");
        player.expect("job> ");
        assert!(player.echoes(), "the shell has its terminal");
        assert_eq!(count(&player, "\u{1b}[?1049l"), stops);
        assert_eq!(count(&player, "\u{1b}[?25h"), stops);
        player.line("fg");
    }
    player.expect("tick");
    player.send("\u{3}");
    player.expect("job> ");
    assert!(player.echoes());
}

#[test]
fn a_stop_that_nobody_would_end_is_none() {
    let world = World::new();
    let mut player = Terminal::start(&slow_replay(&world));
    player.expect("tick");
    player.send("\u{1a}");
    player.screen.pass_over();
    player.expect("tick");
    assert_eq!(count(&player, "\u{1b}[?1049l"), 0);
    player.send("\u{1c}");
    assert_eq!(
        player.finish(),
        0,
        "any key that would end a program ends the playing in order"
    );
    assert!(player.echoes());
}

#[test]
fn a_record_that_names_another_file_plays_nothing() {
    let mut world = World::new();
    assert_eq!(world.alice().terminal("echo on''screen").finish(), 0);
    let row = recording(&world, "complete");
    world.bastion.stop();
    let file = directory(&world).join(&row.path);
    std::fs::copy(&file, world.bastion.dir().join("state/elsewhere")).unwrap();
    let record = rusqlite::Connection::open(world.bastion.dir().join("state/opspilot.db")).unwrap();
    for astray in ["../elsewhere", file.to_str().unwrap()] {
        let changed = record.execute("UPDATE recordings SET path = ?1", [astray]);
        assert_eq!(changed.unwrap(), 1);
        for arguments in [&["replay", &row.session_id][..], &["replay", "--cast", "1"]] {
            let output = world.bastion.opspilot(arguments);
            assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("is not below store.recordings"), "{said}");
        }
    }
}

#[test]
fn what_cannot_be_replayed_says_why() {
    let world = World::new();
    assert_eq!(world.alice().run("echo plain").code, 0);
    world.bastion.row();
    for (subject, reason) in [
        ("1", "had no terminal"),
        ("99", "no command 99"),
        ("019ab0c2-0000-7000-8000-000000000000", "0 recordings"),
        ("nonsense", "neither a session's id nor"),
    ] {
        let output = world.bastion.opspilot(&["replay", subject]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(reason), "{subject}: {said}");
    }
}
