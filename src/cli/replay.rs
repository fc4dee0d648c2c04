//! `opspilot replay`: plays the recording of a terminal.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::{ConfigArg, print_as_it_is, tell};
use crate::domain::{CommandId, SessionId, printable_line};
use crate::recording::{self, Action, Event, Player, Tame};
use crate::store::{Reader, RecordingSummary};

use stage::{Heard, Stage};

mod stage;

/// The longest pause that can be asked for, seconds: more than a recording lasts.
const MAX_PAUSE: f64 = 1e9;

/// Arguments of `opspilot replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A session, as `opspilot sessions` lists it, or the number of a command to start at
    #[arg(value_name = "SESSION|ID", value_parser = subject)]
    subject: Subject,
    /// How many times as fast
    #[arg(long, default_value = "1", value_parser = positive)]
    speed: f64,
    /// The longest pause, in seconds of the recording
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = positive)]
    idle_limit: f64,
    /// Which recording of a session that had several terminals
    #[arg(long, value_name = "N", default_value_t = 1)]
    channel: u32,
    /// Write the recording as it is, in asciicast, for another program. What the target sent is in it, also what a player
    /// should not pass to a terminal
    #[arg(long)]
    cast: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, Clone, Copy)]
enum Subject {
    Session(SessionId),
    Command(CommandId),
}

fn subject(text: &str) -> Result<Subject, String> {
    match (text.parse(), text.parse()) {
        (Ok(number), _) => Ok(Subject::Command(CommandId(number))),
        (_, Ok(uuid)) => Ok(Subject::Session(SessionId(uuid))),
        _ => Err("neither a session's id nor a command's number".to_owned()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "not a number above 0".to_owned())
}

/// Plays a recording to standard output: on a terminal with its pauses, elsewhere without.
///
/// # Errors
/// The configuration, the record or the recording cannot be read, or there is no such recording.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let directory = config.store.recordings.as_deref();
    let directory = directory.context("store.recordings is \"\": this configuration knows no recordings")?;
    let reader = Reader::open(&config.store.path)?;
    let (row, mut player, start) = match args.subject {
        Subject::Session(id) => of_session(&reader, directory, id, args.channel)?,
        Subject::Command(id) => of_command(&reader, directory, id)?,
    };
    let to_its_end = if args.cast {
        player = open(directory, &row)?;
        write_cast(&mut player)?;
        true
    } else {
        let pace = Pace {
            speed: args.speed,
            idle_limit: Duration::from_secs_f64(args.idle_limit.min(MAX_PAUSE)),
        };
        play(&mut player, start, &pace)?
    };
    if let Some(note) = incomplete(&row, &player).filter(|_| to_its_end) {
        tell(&note);
    }
    Ok(ExitCode::SUCCESS)
}

/// A recording's row, the recording where it is to start, and when that is.
type Found = (RecordingSummary, Player, Duration);

fn of_session(reader: &Reader, directory: &Path, id: SessionId, channel: u32) -> anyhow::Result<Found> {
    let rows = reader.recordings(id).context("cannot read the record")?;
    let count = rows.len();
    let Some(row) = rows.into_iter().find(|row| row.channel == channel) else {
        bail!("session {id} has {count} recordings, and no number {channel}; `opspilot sessions` lists them");
    };
    if count > 1 {
        tell(&format!("recording {channel} of {count}; --channel plays the others"));
    }
    let player = open(directory, &row)?;
    Ok((row, player, Duration::ZERO))
}

fn of_command(reader: &Reader, directory: &Path, id: CommandId) -> anyhow::Result<Found> {
    let command = reader.show(id).context("cannot read the record")?;
    let command = command.with_context(|| format!("there is no command {id}; `opspilot log` lists them"))?;
    let session = command.columns.get("session_id").and_then(serde_json::Value::as_str);
    let session = session
        .and_then(|id| id.parse().ok())
        .context("the record is damaged")?;
    let label = recording::marker(Some(id));
    for row in reader
        .recordings(SessionId(session))
        .context("cannot read the record")?
    {
        // One that cannot be read need not be the one.
        let found = open(directory, &row).and_then(|mut player| Ok((player.skip_to(&label)?, player)));
        match found {
            Ok((Some(event), player)) => return Ok((row, player, event.at)),
            Ok((None, _)) => {}
            Err(error) => tell(&format!("{error:#}")),
        }
    }
    bail!("no recording shows command {id}: it did not run, had no terminal, or was not recorded")
}

fn open(directory: &Path, row: &RecordingSummary) -> anyhow::Result<Player> {
    let path = recording::locate(directory, &row.path)?;
    match &row.state_reason {
        Some(reason) => {
            Player::open(&path).with_context(|| format!("the recording failed: {}", printable_line(reason)))
        }
        None => Ok(Player::open(&path)?),
    }
}

/// Why the end that was reached is not the end of what happened; `None` where it is.
fn incomplete(row: &RecordingSummary, player: &Player) -> Option<String> {
    let reason = || printable_line(row.state_reason.as_deref().unwrap_or("not known why")).into_owned();
    match row.state.as_str() {
        "failed" => Some(format!("the recording breaks off here: {}", reason())),
        "cut" => Some(format!("the recording is cut here: {}", reason())),
        "open" => Some("this is what has been recorded so far".to_owned()),
        _ if player.is_cut() => Some("the recording is cut here: its file is shorter than it was".to_owned()),
        _ => None,
    }
}

fn write_cast(player: &mut Player) -> anyhow::Result<()> {
    if io::stdout().is_terminal() {
        bail!("--cast is for a program or a file: send it there, as in `opspilot replay --cast ID > FILE`");
    }
    let header = player.header_line().to_owned();
    print_as_it_is(|out| {
        out.write_all(header.as_bytes())?;
        while let Some(line) = player.next_line().map_err(io::Error::other)? {
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    })?;
    Ok(())
}

/// How fast is played.
struct Pace {
    speed: f64,
    idle_limit: Duration,
}

impl Pace {
    /// How long a pause of the recording takes.
    fn pause(&self, recorded: Duration) -> Duration {
        let seconds = recorded.min(self.idle_limit).as_secs_f64() / self.speed;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// Plays what follows `start`; false where somebody ended it.
fn play(player: &mut Player, start: Duration, pace: &Pace) -> anyhow::Result<bool> {
    let stage = Stage::set((player.header().width, player.header().height))?;
    let mut tame = Tame::default();
    let outcome = perform(player, start, pace, &stage, &mut tame);
    stage.clear(&tame.restore());
    outcome
}

fn perform(player: &mut Player, start: Duration, pace: &Pace, stage: &Stage, tame: &mut Tame) -> anyhow::Result<bool> {
    let mut last = start;
    while let Some(Event { at, action }) = player.next_event()? {
        let pause = pace.pause(at.saturating_sub(last));
        last = last.max(at);
        if !pass(pause, stage, tame)? {
            return Ok(false);
        }
        // Sizes are passed over: another's terminal is not made to change its own.
        let Action::Output(text) = action else { continue };
        match stage::show(&tame.feed(&text)) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(false),
            shown => shown.context("cannot write to standard output")?,
        }
    }
    Ok(true)
}

/// Lets a pause pass, anew where the playing was stopped meanwhile; false where somebody ended it.
fn pass(pause: Duration, stage: &Stage, tame: &Tame) -> anyhow::Result<bool> {
    loop {
        match stage.wait(pause) {
            None => return Ok(true),
            Some(Heard::End) => return Ok(false),
            Some(Heard::Stop) => stage.leave(&tame.restore())?,
            Some(Heard::Continue) => stage.enter(&tame.resume())?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_capped_and_then_divided() {
        let pace = Pace {
            speed: 4.0,
            idle_limit: Duration::from_secs(2),
        };
        assert_eq!(pace.pause(Duration::from_secs(1)), Duration::from_millis(250));
        assert_eq!(pace.pause(Duration::from_hours(1)), Duration::from_millis(500));
        let slow = Pace {
            speed: f64::MIN_POSITIVE,
            idle_limit: Duration::MAX,
        };
        assert_eq!(
            slow.pause(Duration::from_hours(1)),
            Duration::MAX,
            "no number ends the program"
        );
    }

    #[test]
    fn a_subject_is_a_session_or_a_command() {
        assert!(matches!(subject("12"), Ok(Subject::Command(CommandId(12)))));
        assert!(matches!(
            subject("019ab0c2-0000-7000-8000-000000000000"),
            Ok(Subject::Session(_))
        ));
        assert!(subject("../../etc").is_err());
    }

    #[test]
    fn speeds_are_numbers_above_zero() {
        assert_eq!(positive("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "nan", "inf", "fast"] {
            assert!(positive(wrong).is_err(), "{wrong}");
        }
    }
}
