//! `opspilot model train`: the forest trained anew from the record.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use jiff::Timestamp;

use super::super::{ConfigArg, keeper, print};
use super::TELL_THE_DAEMON;
use crate::config::Config;
use crate::control;
use crate::domain::printable_line;
use crate::learning::{LearningState, Order, Queue, QueueError, Request, TrainError, TrainerError, Training, train};
use crate::risk::{ModelFiles, model_in_force};
use crate::store::{Reader, TrainingEnd, TrainingOutcome};

/// Arguments of `opspilot model train`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Recorded commands that must say something of their level, at least
    #[arg(long, default_value_t = Request::MIN_SAMPLES, value_parser = clap::value_parser!(u32).range(1..))]
    min_samples: u32,
    /// Learn from so many days
    #[arg(long, default_value_t = Request::DAYS, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// Keep a better model instead of putting it in force, to run it in the shadow first (`risk.shadow_model`)
    #[arg(long)]
    no_install: bool,
    /// Do what was requested and waits, one after the other; learning.promote says whether models are put in force
    #[arg(long, conflicts_with_all = ["no_install", "min_samples", "days"])]
    queued: bool,
    /// Train only if it is due, as `model status` says; learning.promote as above
    #[arg(long, conflicts_with = "no_install")]
    if_due: bool,
    /// Train a toy, on a part of the corpus: for tests
    #[arg(long, hide = true)]
    quick: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// How a training ended, to whoever called. ARCHITECTURE.md lists the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Done = 0,
    Unusable = 1,
    TooFew = 3,
    OneClass = 4,
    NoEnvironment = 5,
    Crashed = 6,
    NotBetter = 7,
    Busy = 8,
}

impl Verdict {
    fn of(training: &Training) -> Self {
        match (training.end.outcome, &training.error) {
            (TrainingOutcome::Installed | TrainingOutcome::Kept, _) => Self::Done,
            (TrainingOutcome::TooFew, _) => Self::TooFew,
            (TrainingOutcome::OneClass, _) => Self::OneClass,
            (TrainingOutcome::Rejected, _) => Self::NotBetter,
            (TrainingOutcome::Failed, Some(error)) => Self::of_error(error),
            // The trainer itself says that its model does not answer everywhere alike.
            (TrainingOutcome::Failed, None) => Self::Crashed,
        }
    }

    fn of_error(error: &TrainError) -> Self {
        match error {
            TrainError::Busy => Self::Busy,
            TrainError::Trainer(TrainerError::NoPython { .. } | TrainerError::Broken { .. }) => Self::NoEnvironment,
            TrainError::Trainer(_) | TrainError::Outcome(_) => Self::Crashed,
            _ => Self::Unusable,
        }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        Self::from(verdict as u8)
    }
}

/// Runs `opspilot model train`.
///
/// # Errors
/// A configuration or a record that cannot be used.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let verdict = if args.queued || args.if_due {
        unattended(args, &config)?
    } else {
        let request = args.request(&format!("uid:{}", rustix::process::getuid().as_raw()));
        once(args, &config, request, !args.no_install)?
    };
    Ok(verdict.into())
}

impl Args {
    fn request(&self, requested_by: &str) -> Request {
        Request {
            min_samples: self.min_samples,
            days: self.days,
            requested_by: requested_by.to_owned(),
        }
    }
}

/// What waits, else what is due. Of several trainings, the gravest end counts.
fn unattended(args: &Args, config: &Config) -> anyhow::Result<Verdict> {
    let promote = config.learning.promote;
    let queue = Queue::of(&config.server.state_dir);
    let mut verdict = None;
    while let Some(request) = args.queued.then(|| next(&queue)).transpose()?.flatten() {
        let ended = once(args, config, request, promote)?;
        verdict = verdict.max(Some(ended));
    }
    if let Some(verdict) = verdict {
        return Ok(verdict);
    }
    if args.if_due && is_due(config)? {
        return once(args, config, args.request("timer"), promote);
    }
    say("nothing is to be done");
    Ok(Verdict::Done)
}

/// The request that waits longest; a file that is none is told and passed over.
fn next(queue: &Queue) -> Result<Option<Request>, QueueError> {
    loop {
        match queue.take() {
            Err(error @ QueueError::Malformed { .. }) => say(&error.to_string()),
            taken => return Ok(taken?.map(|(_, request)| request)),
        }
    }
}

fn is_due(config: &Config) -> anyhow::Result<bool> {
    let Some(model) = model_in_force(&config.risk)? else {
        say(&TrainError::RulesOnly.to_string());
        return Ok(false);
    };
    let digest = ModelFiles::read(&model.path)?.digest();
    let reader = Reader::open(&config.store.path)?;
    let due = LearningState::find(&reader, (&digest, None), &config.learning, Timestamp::now())?.due;
    say(&due.reason);
    Ok(due.is_due)
}

/// One training, recorded.
fn once(args: &Args, config: &Config, request: Request, may_install: bool) -> anyhow::Result<Verdict> {
    let keeper = keeper(config);
    // What cannot be recorded in the end need not begin.
    keeper.ask(&control::Request::Ready)?;
    let order = Order {
        config,
        request,
        may_install,
        quick: args.quick,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let training = match runtime.block_on(train(&order, &mut |line| say(line))) {
        Ok(training) => training,
        Err(error @ TrainError::Busy) => {
            say(&error.to_string());
            return Ok(Verdict::Busy);
        }
        Err(error) => return Err(error.into()),
    };
    let end = control::Request::EndTraining(Box::new(training.end.clone()));
    if let Err(error) = keeper.ask(&end) {
        training.take_back(config)?;
        return Err(anyhow::Error::new(error).context("the training cannot be recorded, and nothing was installed"));
    }
    print(|out| tell(out, &training.end))?;
    Ok(Verdict::of(&training))
}

fn tell(out: &mut dyn Write, end: &TrainingEnd) -> io::Result<()> {
    let reason = printable_line(&end.reason);
    match end.outcome {
        TrainingOutcome::Installed => writeln!(out, "{reason}; {TELL_THE_DAEMON}"),
        TrainingOutcome::Kept => writeln!(out, "{reason}; opspilot model install puts it in force"),
        TrainingOutcome::Rejected => writeln!(out, "not installed: {reason}"),
        TrainingOutcome::TooFew | TrainingOutcome::OneClass => writeln!(out, "not trained: {reason}"),
        TrainingOutcome::Failed => writeln!(out, "failed: {reason}"),
    }
}

/// How far it is, to whoever waits. Whoever closed standard error does not want to know.
fn say(line: &str) {
    writeln!(io::stderr(), "opspilot: {}", printable_line(line)).unwrap_or_default();
}
