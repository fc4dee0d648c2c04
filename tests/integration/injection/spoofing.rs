//! Prompt spoofing: nothing counts as an answer but what a person types who has read the question.
//!
//! Everything is tried twice: on who reads answers, at every moment and in every cut; and in real sessions, one question each.

use std::time::Duration;

use opspilot::terminal::{Answer, AnswerReader, Expect, StdinCode};
use russh::Channel;
use russh::client::Msg;
use tokio::runtime::Runtime;

use super::answers::{pre_typed, replies};
use super::client::{Client, rest, together, until};
use crate::harness::{READY, RISKY, SETTLED, Sshd, World, pause};
use crate::matrix::Shell;
use crate::matrix::driver::{Session, Stage};

/// How many of each are tried, at least.
const TRIED: usize = 1000;

/// When the question is drawn on the clock of the readers, and when it has long been read, milliseconds.
const DRAWN: u64 = 1000;
const READ: u64 = 5000;

/// Both kinds of answers that are read on terminals.
fn readers() -> [AnswerReader; 2] {
    [Expect::Yes, Expect::Word("yes".to_owned())].map(|expect| AnswerReader::new(expect, DRAWN))
}

/// Feeds input in pieces of this length, a millisecond apart; whether it was a yes.
fn agrees(reader: &mut AnswerReader, input: &[u8], piece: usize, now_ms: u64) -> bool {
    let mut pieces = (now_ms..).zip(input.chunks(piece));
    pieces.any(|(now_ms, bytes)| reader.feed(bytes, now_ms).answer == Some(Answer::Yes))
}

#[test]
fn of_a_thousand_answers_that_were_typed_ahead_none_counts() {
    let answers = pre_typed();
    for (number, answer) in answers.iter().enumerate() {
        // From the moment of drawing to the last one at which nobody has read it.
        let at = DRAWN + u64::try_from(number).unwrap() % 250;
        for piece in [1, 3, usize::MAX] {
            for mut reader in readers() {
                assert!(
                    !agrees(&mut reader, answer, piece, at),
                    "{:?}",
                    String::from_utf8_lossy(answer)
                );
                assert!(
                    !agrees(&mut reader, b"\r", 1, READ),
                    "and Enter: {:?}",
                    String::from_utf8_lossy(answer)
                );
            }
        }
        let mut code = StdinCode::new("ABC123");
        code.feed(answer);
        assert_eq!(code.end(), opspilot::terminal::FirstLine::Data);
    }
    assert!(answers.len() >= TRIED);
}

#[test]
fn of_a_thousand_replies_of_terminals_none_counts() {
    let replies = replies();
    let mut tried = 0;
    for (one, other) in replies.iter().zip(replies.iter().cycle().skip(7)) {
        // Alone, and with another one behind it, as a burst of questions makes them.
        for reply in [one.clone(), [one.as_slice(), other].concat()] {
            tried += 1;
            for piece in [1, 2, usize::MAX] {
                for mut reader in readers() {
                    assert!(
                        !agrees(&mut reader, &reply, piece, READ),
                        "{:?}",
                        String::from_utf8_lossy(&reply)
                    );
                    assert!(
                        !agrees(&mut reader, b"\r", 1, 2 * READ),
                        "and Enter: {:?}",
                        String::from_utf8_lossy(&reply)
                    );
                }
            }
        }
    }
    assert!(tried >= TRIED, "{tried}");
}

/// A risky command that would leave a trace of this number.
fn risky(world: &World, number: usize) -> String {
    format!("{RISKY}; touch {}", world.trace(&format!("ran-{number}")).display())
}

/// Asserts that so many questions stand in the record, that nobody has said yes to one, and that nothing has run.
fn assert_none_accepted(world: &World, questions: usize) {
    let rows = world.bastion.rows_when("all rows to be final", |rows| {
        rows.len() >= questions && rows.iter().all(crate::harness::Row::is_final)
    });
    assert_eq!(rows.len(), questions);
    for row in &rows {
        let is_refused = matches!(row.state.as_str(), "refused" | "expired" | "abandoned");
        assert!(
            is_refused && row.user_confirmed != Some(true) && row.execution_success.is_none(),
            "{row:#?}"
        );
    }
    let traces = std::fs::read_dir(world.target.home()).unwrap();
    let traces: Vec<_> = traces
        .map(|file| file.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with("ran-"))
        .collect();
    assert!(traces.is_empty(), "{traces:?}");
}

async fn connect(world: &World) -> Client {
    let key = world.bastion.dir().join("alice");
    Client::logged_in(world.bastion.config.port, "test", "alice@web-1", &key)
        .await
        .unwrap()
}

/// Asks for a command, and types `answer` behind it before there is a word of the bastion's.
async fn exec_with(client: &Client, command: &str, has_pty: bool, answer: &[u8]) -> Channel<Msg> {
    let channel = client.session().await;
    if has_pty {
        channel.request_pty(false, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    }
    channel.exec(false, command).await.unwrap();
    channel.data_bytes(answer.to_vec()).await.unwrap();
    channel
}

/// Without a terminal, the first line would have to be the code.
async fn ahead_of_exec(world: &World, number: usize, client: &Client, answer: &[u8]) {
    let mut channel = exec_with(client, &risky(world, number), false, answer).await;
    until(&mut channel, b" confirm ").await;
    channel.close().await.unwrap();
}

/// On a terminal, what came with the command comes before the question.
async fn ahead_of_terminal(world: &World, number: usize, client: &Client, answer: &[u8]) {
    let mut channel = exec_with(client, &risky(world, number), true, answer).await;
    until(&mut channel, b"[y/N] ").await;
    channel.data_bytes(b"\x03".to_vec()).await.unwrap();
    assert_eq!(rest(channel).await.code, Some(126));
}

#[test]
fn what_comes_with_a_command_never_answers_its_question() {
    let world = World::new();
    let answers: Vec<(usize, Vec<u8>)> = pre_typed().into_iter().enumerate().take(700).collect();
    Runtime::new().unwrap().block_on(async {
        // One after the other on each connection; four connections.
        let world = &world;
        let shares = answers.chunks(answers.len().div_ceil(4)).map(|share| async move {
            let client = connect(world).await;
            for (number, answer) in share {
                if number % 2 == 0 {
                    ahead_of_exec(world, *number, &client, answer).await;
                } else {
                    ahead_of_terminal(world, *number, &client, answer).await;
                }
            }
        });
        together(shares).await;
    });
    assert_none_accepted(&world, answers.len());
}

/// Types a risky line with an answer behind it, awaits the question, and interrupts it; for each of the answers.
fn type_ahead(session: &mut Session, answers: &[Vec<u8>]) {
    for answer in answers {
        session.type_keys(&[b"echo ask-me; echo ran >ran\r", answer.as_slice()].concat());
        session.terminal.expect("[y/N] ");
        session.terminal.send("\u{3}");
        session.await_end_prompt();
    }
}

/// In a shell, what was typed behind a line comes before the question about it.
fn shell_never_takes(shell: Shell, from: usize) {
    let (stage, mut session) = Stage::alone(shell, "");
    let answers = pre_typed().split_off(from);
    let answers = &answers[..75];
    type_ahead(&mut session, answers);
    let home = stage.home(0);
    let lines = session.leave();
    let asked = lines.iter().filter(|line| line.text.contains("ask-me"));
    assert_eq!(
        asked.filter(|line| line.state == "refused").count(),
        answers.len(),
        "{lines:#?}"
    );
    assert!(
        lines.iter().all(|line| line.state != "finished" || line.text == "exit"),
        "{lines:#?}"
    );
    assert!(!home.join("ran").exists());
}

#[test]
fn what_is_typed_ahead_in_bash_never_answers() {
    shell_never_takes(Shell::Bash, 700);
}

#[test]
fn what_is_typed_ahead_in_zsh_never_answers() {
    shell_never_takes(Shell::Zsh, 775);
}

#[test]
fn what_is_typed_ahead_in_fish_never_answers() {
    shell_never_takes(Shell::Fish, 850);
}

#[test]
fn what_is_typed_ahead_in_dash_never_answers() {
    shell_never_takes(Shell::Dash, 925);
}

/// How many replies a terminal sends while one question stands.
const BURST: usize = 20;

/// The terminal's replies come while the question can be answered; then somebody presses Enter.
async fn replies_to_question(world: &World, number: usize, client: &Client, replies: &[Vec<u8>]) {
    let mut channel = exec_with(client, &risky(world, number), true, b"").await;
    until(&mut channel, b"[y/N] ").await;
    // The product counts time itself: before this is over, nothing counts at all.
    tokio::time::sleep(SETTLED).await;
    for reply in replies {
        channel.data_bytes(reply.clone()).await.unwrap();
    }
    channel.data_bytes(b"\r".to_vec()).await.unwrap();
    assert_eq!(rest(channel).await.code, Some(126));
}

#[test]
fn what_a_terminal_says_by_itself_never_answers() {
    let world = World::new();
    let replies: Vec<Vec<u8>> = replies().into_iter().cycle().take(TRIED).collect();
    let bursts: Vec<(usize, &[Vec<u8>])> = replies.chunks(BURST).enumerate().collect();
    Runtime::new().unwrap().block_on(async {
        let client = connect(&world).await;
        for some in bursts.chunks(10) {
            together(
                some.iter()
                    .map(|(number, burst)| replies_to_question(&world, *number, &client, burst)),
            )
            .await;
        }
    });
    assert_none_accepted(&world, bursts.len());
}

/// The same where the screen is read, and the target itself has asked the terminal.
#[test]
fn replies_to_a_targets_own_queries_never_answer_where_the_screen_is_read() {
    let target = Sshd::start_with("ForceCommand exec tcsh -l\n");
    let prompt = "\\033[c\\033[6n\\033[21t";
    std::fs::write(
        target.home().join(".tcshrc"),
        format!("set prompt='%{{{prompt}%}}{READY}'\n"),
    )
    .unwrap();
    let world = World::on(target, |_| {});
    let mut terminal = world.shell();
    let replies = replies();
    for (number, burst) in replies.chunks(BURST).take(10).enumerate() {
        terminal.line(&risky(&world, number).replace("; ", " ; "));
        terminal.question();
        for reply in burst {
            terminal.send(reply);
        }
        pause(Duration::from_millis(20));
        terminal.line("");
        terminal.expect(READY);
    }
    terminal.line("exit");
    terminal.finish();
    let rows = world.bastion.rows_now();
    assert!(rows.iter().all(|row| row.user_confirmed != Some(true)), "{rows:#?}");
    assert!((0..10).all(|number| !world.trace(&format!("ran-{number}")).exists()));
    let refused = rows.iter().filter(|row| row.state == "refused").count();
    assert_eq!(refused, 10, "{rows:#?}");
}
