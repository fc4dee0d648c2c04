//! `opspilot verify`: whether the record is the one that was written.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::{ConfigArg, print, table};
use crate::domain::printable_line;
use crate::recording;
use crate::store::{Examine, ExportedHead, Reader, SealedRecording, Verified};

/// How often progress is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// Arguments of `opspilot verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Hold it against a head that was exported before, also what is cut off or rewritten as a whole
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
    /// Write the newest signed head to FILE, to be kept elsewhere, and verify nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["head", "json"])]
    export_head: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// Verifies the record; exit code 1 where something is wrong with it.
///
/// # Errors
/// The configuration, the record or the exported head cannot be read.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = args.config.load()?.store;
    let reader = Reader::open(&settings.path)?;
    if let Some(file) = &args.export_head {
        return export(&reader, file);
    }
    let head = args.head.as_deref().map(read_head).transpose()?;
    let mut examiner = Examiner {
        database: &settings.path,
        recordings: settings.recordings.as_deref(),
        drawn: io::stderr().is_terminal().then(Instant::now),
    };
    let verified = reader.verify(head.as_ref(), &mut examiner);
    examiner.wipe();
    let verified = verified.context("cannot read the record")?;
    print(|out| {
        if args.json {
            table::json(out, &verified)
        } else {
            report(out, &verified, head.as_ref())
        }
    })?;
    Ok(if verified.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn export(reader: &Reader, file: &Path) -> anyhow::Result<ExitCode> {
    let Some(head) = reader.signed_head().context("cannot read the record")? else {
        bail!("nothing in the record is signed yet; `opspilot serve` signs it as it runs");
    };
    let mut options = OpenOptions::new();
    let written = options
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(file)
        .and_then(|mut file| write!(file, "{head}").and_then(|()| file.sync_all()));
    written.with_context(|| format!("cannot write {}", file.display()))?;
    print(|out| writeln!(out, "The record up to event {} is in {}.", head.seq(), file.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// A head is a few lines; what is longer is none.
fn read_head(file: &Path) -> anyhow::Result<ExportedHead> {
    let mut text = String::new();
    let opened = File::open(file);
    opened
        .and_then(|file| io::Read::read_to_string(&mut io::Read::take(file, 16 * 1024), &mut text))
        .with_context(|| format!("cannot read {}", file.display()))?;
    text.parse().with_context(|| file.display().to_string())
}

/// Draws progress on a terminal, and looks at the files of recordings.
struct Examiner<'a> {
    database: &'a Path,
    recordings: Option<&'a Path>,
    /// When progress was drawn last; `None` where there is no terminal.
    drawn: Option<Instant>,
}

impl Examine for Examiner<'_> {
    fn progress(&mut self, events: i64, of: i64) {
        if self.drawn.is_some_and(|drawn| drawn.elapsed() >= DRAW_EVERY) {
            self.drawn = Some(Instant::now());
            draw(&format!("\r{events} of {of} events"));
        }
    }

    fn recording(&mut self, recording: &SealedRecording) -> Result<(), String> {
        let Some(directory) = self.recordings else {
            return Err("store.recordings is \"\": it is not known where its file is".to_owned());
        };
        let path = recording::locate(directory, &recording.path).map_err(|error| error.to_string())?;
        match recording::check(&path, recording.seal.as_ref(), recording.is_whole) {
            Err(problem) if !self.was_removed(recording) => Err(problem.to_string()),
            _ => Ok(()),
        }
    }
}

impl Examiner<'_> {
    /// Whether it was removed lawfully since the record was looked at.
    fn was_removed(&self, recording: &SealedRecording) -> bool {
        Reader::open(self.database)
            .and_then(|reader| reader.keeps_recording(&recording.path))
            .is_ok_and(|keeps| !keeps)
    }

    fn wipe(&self) {
        if self.drawn.is_some() {
            draw("\r\x1b[K");
        }
    }
}

/// Progress is nothing that verifying should fail for.
fn draw(text: &str) {
    let mut terminal = io::stderr().lock();
    write!(terminal, "{text}")
        .and_then(|()| terminal.flush())
        .unwrap_or_default();
}

fn report(out: &mut dyn Write, verified: &Verified, head: Option<&ExportedHead>) -> io::Result<()> {
    for finding in &verified.findings {
        let (place, problem) = (printable_line(&finding.place), printable_line(&finding.problem));
        writeln!(out, "{place}: {problem}")?;
    }
    if verified.more_findings > 0 {
        writeln!(out, "... and {} findings more.", verified.more_findings)?;
    }
    let judgement = if verified.is_sound() {
        "The record is sound"
    } else {
        "The record is NOT sound"
    };
    writeln!(
        out,
        "{judgement}: {} events, {} of them erased lawfully, {} recordings.",
        verified.events, verified.erased, verified.recordings
    )?;
    if verified.recordings_without_digest > 0 {
        let count = verified.recordings_without_digest;
        writeln!(
            out,
            "{count} recordings have no digest yet, so that only their files' presence was looked at."
        )?;
    }
    match &verified.key {
        Some(key) => writeln!(out, "Signed through event {} by {key}.", verified.signed_through)?,
        None => writeln!(out, "Nothing is signed.")?,
    }
    if !verified.key_is_trusted {
        writeln!(
            out,
            "Whose key that is was not looked at: it is not beside the record, and no head was given."
        )?;
    }
    if head.is_none() {
        writeln!(
            out,
            "Without a head that was exported before (--head), root on the bastion could have rewritten all of it."
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Finding;

    #[test]
    fn findings_have_no_power_over_the_terminal() {
        let verified = Verified {
            findings: vec![Finding {
                place: "event 1 (\u{1b}[2J)".to_owned(),
                problem: "changed\nThe record is sound".to_owned(),
            }],
            ..Verified::default()
        };
        let mut out = Vec::new();
        report(&mut out, &verified, None).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            !text.contains('\u{1b}') && !text.contains("\nThe record is sound"),
            "{text}"
        );
        assert!(text.contains("The record is NOT sound"), "{text}");
    }
}
