//! `opspilot export`: the record's commands, for spreadsheets and for learning from them.

mod destination;
mod interrupt;

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::{ConfigArg, print};
use crate::domain::{Decision, Level, Name};
use crate::store::{Export, ExportError, Exported, FeatureList, Format, LogFilter, Progress, Reader};
use destination::NewFile;
use interrupt::Interrupt;

/// What the program exits with where there are too few samples.
const TOO_FEW: u8 = 3;

/// The bar, while rows go into a file: how many there will be is not known, but where they end is.
const BAR: &str = "{bar:40} {percent:>3}%  {msg} rows  {elapsed} of {duration}";

/// Arguments of `opspilot export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// csv: for a spreadsheet; json: everything as it is, one object a line
    #[arg(long, value_enum)]
    format: FormatArg,
    /// Commands of so many days, up to now
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,
    /// Give the forest's input by name instead of as a list of numbers
    #[arg(long)]
    features: bool,
    /// Write nothing and exit with 3 where fewer commands than that have an outcome
    #[arg(long, value_name = "N")]
    min_samples: Option<u32>,
    /// Where to, as a whole or not at all; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Only this user's
    #[arg(long)]
    user: Option<Name>,
    /// Only on this target
    #[arg(long)]
    target: Option<Name>,
    /// Only of this level: low, medium, high or critical
    #[arg(long)]
    level: Option<Level>,
    /// Only with this decision: allow, warn, confirm or deny
    #[arg(long)]
    decision: Option<Decision>,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum FormatArg {
    Csv,
    Json,
}

/// Exports commands; exits with 3 where they are too few.
///
/// # Errors
/// The configuration or the record cannot be read, or the output cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let reader = Reader::open(&args.config.load()?.store.path)?;
    let export = reader
        .export(args.filter(Timestamp::now()))
        .context("cannot read the record")?;
    if let Some(wanted) = args.min_samples {
        let found = export.outcomes(wanted).context("cannot read the record")?;
        if found < wanted {
            return args.refuse(found, wanted);
        }
    }
    if args.output.as_os_str() == "-" {
        args.to_standard_output(&export)
    } else {
        args.to_file(&export)
    }
}

impl Args {
    fn filter(&self, now: Timestamp) -> LogFilter {
        LogFilter {
            user: self.user.clone(),
            target: self.target.clone(),
            level: self.level,
            decision: self.decision,
            ..LogFilter::of_days(self.days, now)
        }
    }

    fn refuse(&self, found: u32, wanted: u32) -> anyhow::Result<ExitCode> {
        let days = self.days;
        writeln!(
            io::stderr(),
            "opspilot: nothing was exported: of the commands of the last {days} days that match, {found} have an outcome, and \
             --min-samples asks for {wanted}; export more --days, ask for fewer, or wait for more"
        )?;
        Ok(ExitCode::from(TOO_FEW))
    }

    fn to_standard_output(&self, export: &Export<'_>) -> anyhow::Result<ExitCode> {
        // On a terminal the rows themselves show how far it is.
        let bar = if io::stdout().is_terminal() {
            ProgressBar::hidden()
        } else {
            bar(export)?
        };
        let written = self.write(export, io::stdout().lock(), |progress| {
            show(&bar, export, progress);
            Ok(())
        });
        bar.finish_and_clear();
        match written {
            Ok(exported) => warn_of_unnamed(exported)?,
            // A reader who has seen enough (`| head`) is no error.
            Err(ExportError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => return Err(failed(error, "standard output")),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn to_file(&self, export: &Export<'_>) -> anyhow::Result<ExitCode> {
        let mut file = NewFile::beside(&self.output)?;
        let (interrupt, bar) = (Interrupt::listen()?, bar(export)?);
        let written = self.write(export, &mut file, |progress| {
            show(&bar, export, progress);
            interrupt.check()
        });
        bar.finish_and_clear();
        let path = self.output.display().to_string();
        let exported = written.map_err(|error| failed(error, &path))?;
        file.put_in_place()?;
        warn_of_unnamed(exported)?;
        print(|out| writeln!(out, "{} rows are in {path}", exported.rows))?;
        Ok(ExitCode::SUCCESS)
    }

    fn write(
        &self,
        export: &Export<'_>,
        out: impl Write,
        watch: impl FnMut(Progress) -> io::Result<()>,
    ) -> Result<Exported, ExportError> {
        let format = match self.format {
            FormatArg::Csv => Format::Csv,
            FormatArg::Json => Format::Json,
        };
        let features = self.features.then(FeatureList::of_this_program);
        export.write(format, features, out, watch)
    }
}

/// A bar on standard error, which shows only where that is a terminal.
fn bar(export: &Export<'_>) -> anyhow::Result<ProgressBar> {
    let span = export.span();
    let length = span.end().saturating_sub(*span.start()).saturating_add(1);
    let bar = ProgressBar::new(length.try_into().unwrap_or_default());
    Ok(bar.with_style(ProgressStyle::with_template(BAR)?).with_message("0"))
}

fn show(bar: &ProgressBar, export: &Export<'_>, progress: Progress) {
    let passed = progress.last.0.saturating_sub(*export.span().start());
    bar.set_message(progress.rows.to_string());
    bar.set_position(passed.try_into().unwrap_or_default());
}

fn warn_of_unnamed(exported: Exported) -> io::Result<()> {
    if exported.unnamed == 0 {
        return Ok(());
    }
    writeln!(
        io::stderr(),
        "opspilot: the features of {} of {} rows are left out, since they have no names in this version of opspilot; \
         their features_missing says why, and without --features they are exported as numbers",
        exported.unnamed,
        exported.rows
    )
}

/// The error with what it is about.
fn failed(error: ExportError, output: &str) -> anyhow::Error {
    match error {
        ExportError::Store(_) => error.into(),
        ExportError::Write(error) => anyhow::Error::new(error).context(format!("cannot write {output}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn filter(arguments: &[&str], now: &str) -> LogFilter {
        let line = ["export", "--format", "json", "-o", "-"].iter().chain(arguments);
        Line::try_parse_from(line).unwrap().args.filter(now.parse().unwrap())
    }

    #[test]
    fn the_days_are_ninety_up_to_now_unless_others_are_asked_for() {
        let since = |arguments: &[&str]| filter(arguments, "2026-11-22T13:00:00Z").since.unwrap().to_string();
        assert_eq!(since(&[]), "2026-08-24T13:00:00Z");
        assert_eq!(since(&["--days", "1"]), "2026-11-21T13:00:00Z");
        assert_eq!(since(&["--days", "65535"]), "1847-06-19T13:00:00Z");
    }

    #[test]
    fn everything_that_matches_is_asked_for() {
        let filter = filter(&["--user", "bob", "--level", "high"], "2026-11-22T13:00:00Z");
        assert_eq!(filter.limit, u32::MAX);
        assert_eq!(
            (filter.user, filter.level),
            (Some("bob".parse().unwrap()), Some(Level::High))
        );
        assert_eq!((filter.before, filter.text), (None, None));
    }
}
