//! The fixed run: what a user would type, what must come of it, and the rows that it must leave.
//!
//! No command here could do harm: each acts on files in the target's own directory, by relative names.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::sleep;

use super::client::{Client, Conversation};
use super::rows::{self, Expected};
use super::stage::{PROMPT, Stage};
use crate::cli::print;
use crate::domain::{Channel, Decision, Exactness, Level, State, printable_line};
use crate::store::CommandSummary;

/// How long to wait before an answer is typed: what comes sooner after the question counts as typed ahead.
const READING_TIME: Duration = Duration::from_millis(300);
/// What the question on a terminal ends with.
const QUESTION: &str = "Run it? [y/N] ";
/// What the last line of the question without a terminal begins with.
const TYPE_CODE: &str = "\nopspilot: type ";
/// Exit code of a command that was not run.
const NOT_RUN: u32 = 126;

/// The rows that the run must leave, in order.
const EXPECTED: [Expected; 7] = [
    Expected {
        command: "PGPASSWORD=[redacted] ls releases",
        ..ran(Channel::Exec)
    },
    Expected {
        command: "find releases -type f -delete",
        level: Level::High,
        decision: Decision::Confirm,
        confirmed: Some(true),
        ..ran(Channel::Exec)
    },
    Expected {
        command: "truncate -s 0 orders.db",
        ..refused(Channel::Exec)
    },
    Expected {
        command: "rm -rf --no-preserve-root ./archive",
        level: Level::Critical,
        decision: Decision::Deny,
        state: State::Denied,
        exit_code: None,
        ..ran(Channel::Exec)
    },
    Expected {
        command: r#"echo "6 times 7 is $((6 * 7))""#,
        ..ran(Channel::Shell)
    },
    Expected {
        command: "shred -u customers.csv",
        ..refused(Channel::Shell)
    },
    Expected {
        command: r#"echo "there are still $(wc -l < customers.csv) lines""#,
        ..ran(Channel::Shell)
    },
];

const fn ran(channel: Channel) -> Expected {
    Expected {
        channel,
        command: "",
        level: Level::Low,
        decision: Decision::Allow,
        state: State::Finished,
        confirmed: None,
        exit_code: Some(0),
        exactness: Exactness::Exact,
    }
}

const fn refused(channel: Channel) -> Expected {
    Expected {
        level: Level::High,
        decision: Decision::Confirm,
        state: State::Refused,
        confirmed: Some(false),
        exit_code: None,
        ..ran(channel)
    }
}

/// Plays the run.
pub(super) async fn play(stage: &Stage) -> anyhow::Result<()> {
    let client = Client::connect(stage).await?;
    harmless(&client).await.context("the harmless command")?;
    confirmed(&client, &stage.home).await.context("the confirmed command")?;
    cancelled(&client, &stage.home).await.context("the refused command")?;
    denied(&client, &stage.home).await.context("the denied command")?;
    interactive(&client, &stage.home)
        .await
        .context("the interactive shell")?;
    client.leave().await
}

/// Compares the rows with what they must be, and says which differ.
pub(super) fn judge(commands: &[CommandSummary]) -> io::Result<ExitCode> {
    let differences = rows::differences(commands, &EXPECTED);
    print(|out| {
        for difference in &differences {
            writeln!(out, "WRONG: {difference}")?;
        }
        if differences.is_empty() {
            writeln!(out, "Every row is what it should be.")?;
        }
        Ok(())
    })?;
    Ok(if differences.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn harmless(client: &Client) -> anyhow::Result<()> {
    let command = "PGPASSWORD=hunter2 ls releases";
    say("A harmless command runs at once; its secret is not recorded", command)?;
    let (output, code) = client.exec(command).await?.finish().await?;
    show(&output)?;
    outcome(&format!("it ran, exit code {code}"))?;
    ensure!(code == 0 && output.contains("1.0.tar"), "it did not run");
    Ok(())
}

async fn confirmed(client: &Client, home: &Path) -> anyhow::Result<()> {
    let command = "find releases -type f -delete";
    say("A risky command without a terminal waits for its code", command)?;
    let mut run = client.exec(command).await?;
    let block = run.expect_error(TYPE_CODE).await?;
    let rest = run.expect_error("\n").await?;
    let code = rest.split(' ').next().unwrap_or_default();
    show(&format!("{block}{rest}{code}"))?;
    ensure!(home.join("releases/1.0.tar").exists(), "it ran before the answer");
    run.send(&format!("{code}\n")).await?;
    let (output, code) = run.finish().await?;
    show(&output)?;
    outcome(&format!("it ran, exit code {code}"))?;
    ensure!(code == 0 && !home.join("releases/1.0.tar").exists(), "it did not run");
    Ok(())
}

async fn cancelled(client: &Client, home: &Path) -> anyhow::Result<()> {
    let command = "truncate -s 0 orders.db";
    say(
        "A risky command on a terminal asks, and does not run after a no",
        command,
    )?;
    let mut run = client.exec_on_terminal(command).await?;
    let asked = answer_no(&mut run).await?;
    let (output, code) = run.finish().await?;
    show(&(asked + &output))?;
    outcome(&format!("it did not run, exit code {code}"))?;
    ensure!(code == NOT_RUN, "its exit code is not {NOT_RUN}");
    ensure!(home.join("orders.db").metadata()?.len() > 0, "it ran all the same");
    Ok(())
}

async fn denied(client: &Client, home: &Path) -> anyhow::Result<()> {
    let command = "rm -rf --no-preserve-root ./archive";
    say("A critical command is denied", command)?;
    let (output, code) = client.exec(command).await?.finish().await?;
    show(&output)?;
    outcome(&format!("it did not run, exit code {code}"))?;
    ensure!(code == NOT_RUN, "its exit code is not {NOT_RUN}");
    ensure!(home.join("archive/2025.tar").exists(), "it ran all the same");
    Ok(())
}

async fn interactive(client: &Client, home: &Path) -> anyhow::Result<()> {
    say("In an interactive shell, each line is weighed before it runs", "ssh")?;
    let mut shell = client.shell().await?;
    let mut screen = shell.expect(PROMPT).await?;
    enter(&mut shell, r#"echo "6 times 7 is $((6 * 7))""#).await?;
    screen += &shell.expect("\n6 times 7 is 42\r\n").await?;
    screen += &shell.expect(PROMPT).await?;
    enter(&mut shell, "shred -u customers.csv").await?;
    screen += &answer_no(&mut shell).await?;
    screen += &shell.expect(PROMPT).await?;
    ensure!(home.join("customers.csv").exists(), "the refused line ran all the same");
    enter(&mut shell, r#"echo "there are still $(wc -l < customers.csv) lines""#).await?;
    screen += &shell.expect("\nthere are still 3 lines\r\n").await?;
    screen += &shell.expect(PROMPT).await?;
    // The end of the input leaves the shell, and is no line of its own.
    shell.send("\u{4}").await?;
    let (rest, code) = shell.finish().await?;
    show(&(screen + &rest))?;
    outcome(&format!("the shell ended, exit code {code}"))
}

async fn enter(shell: &mut Conversation, line: &str) -> anyhow::Result<()> {
    shell.send(&format!("{line}\r")).await
}

/// Answers what came up to the question's end.
async fn answer_no(run: &mut Conversation) -> anyhow::Result<String> {
    let asked = run.expect(QUESTION).await?;
    sleep(READING_TIME).await;
    run.send("n\r").await?;
    Ok(asked)
}

fn say(what: &str, command: &str) -> anyhow::Result<()> {
    Ok(print(|out| writeln!(out, "\n== {what}\n$ {command}"))?)
}

/// Shows text as a terminal would, as far as that goes line by line.
fn show(text: &str) -> anyhow::Result<()> {
    Ok(print(|out| {
        for line in text.lines().map(visible).filter(|line| !line.is_empty()) {
            writeln!(out, "    {}", printable_line(line))?;
        }
        Ok(())
    })?)
}

/// What stays of a line after it was written over from its beginning.
fn visible(line: &str) -> &str {
    let line = line.trim_end();
    line.rsplit('\r').next().unwrap_or(line)
}

fn outcome(text: &str) -> anyhow::Result<()> {
    Ok(print(|out| writeln!(out, "=> {text}"))?)
}
