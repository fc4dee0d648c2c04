//! `opspilot score`: the daemon's own assessment, for a command or for each line of standard input.

mod lines;
mod progress;

use std::io::{self, BufRead, Write, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize, Serializer};

use super::ConfigArg;
use super::plain::Plain;
use crate::command::{self, PATTERN_VERSION};
use crate::config::{self, Config};
use crate::domain::{Dialect, Level, printable_json, printable_line};
use crate::risk::{Assessment, Assessor, Circumstances, Reason, features};
use lines::Lines;
use progress::Progress;

/// Where rules and model are looked for when there is no configuration.
const RULES_WITHOUT_CONFIG: &str = "config/rules.toml";
const MODEL_WITHOUT_CONFIG: &str = "models/risk.onnx";

/// Assess a command, or each line of standard input; nothing is run, and history and context are neutral.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One line of JSON for each command; standard input may then be JSON lines with a "cmd" field.
    #[arg(long)]
    json: bool,
    /// Leave the forest out.
    #[arg(long)]
    rules_only: bool,
    /// Add the forest's input, by name.
    #[arg(long, requires = "json")]
    features: bool,
    /// The language that commands are written in: bash, sh, zsh or fish.
    #[arg(long, default_value_t = Dialect::Bash)]
    shell: Dialect,
    #[command(flatten)]
    config: ConfigArg,
    /// Rules to use instead of the configured ones; may be given more than once.
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Model to use instead of the configured one.
    #[arg(long, value_name = "FILE", conflicts_with = "rules_only")]
    model: Option<PathBuf>,
    /// The command; without it, each line of standard input is one.
    cmd: Option<String>,
}

/// Runs `opspilot score`.
///
/// # Errors
/// Configuration, rules or model that cannot be used, input that cannot be read, output that cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let assessor = Assessor::load(&settings(&args)?)?;
    let scorer = Scorer {
        assessor,
        json: args.json,
        features: args.features,
        shell: args.shell,
    };
    let mut output = Plain::new(stdout().lock());
    let outcome = match args.cmd {
        Some(cmd) => scorer.answer(&cmd, &mut output),
        None => scorer.answer_all(stdin().lock(), &mut output, &mut Progress::on_stderr()),
    };
    match outcome {
        // A reader who has seen enough (`| head`) is no error.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        outcome => outcome.map(|()| ExitCode::SUCCESS),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Rules and model: what the options name, else what the configuration names, else what lies in the working directory.
fn settings(args: &Args) -> anyhow::Result<config::Risk> {
    let named_directly = !args.rules.is_empty() && (args.rules_only || args.model.is_some());
    let mut settings = if named_directly {
        bare_settings()
    } else {
        configured(&args.config)?
    };
    if !args.rules.is_empty() {
        settings.rules.clone_from(&args.rules);
    }
    if args.model.is_some() {
        settings.model.clone_from(&args.model);
        settings.installed = None;
    }
    if args.rules_only {
        settings.model = None;
        settings.shadow_model = None;
    }
    Ok(settings)
}

fn configured(given: &ConfigArg) -> anyhow::Result<config::Risk> {
    match given.locate() {
        Ok(file) => Ok(Config::load(&file)?.risk),
        Err(_) => Ok(bare_settings()),
    }
}

fn bare_settings() -> config::Risk {
    config::Risk {
        rules: vec![RULES_WITHOUT_CONFIG.into()],
        model: Some(MODEL_WITHOUT_CONFIG.into()),
        installed: None,
        shadow_model: None,
        bounds: config::ModelBounds::default(),
    }
}

/// Answers commands in the form that was asked for.
struct Scorer {
    assessor: Assessor,
    json: bool,
    features: bool,
    shell: Dialect,
}

impl Scorer {
    /// Answers each line before the next one is read. A line that holds no command is told to the user and left out.
    fn answer_all(
        &self,
        input: impl BufRead,
        output: &mut impl Write,
        progress: &mut Progress<impl Write>,
    ) -> anyhow::Result<()> {
        let (mut lines, mut faults) = (Lines::new(input), 0);
        while let Some(line) = lines.next().context("cannot read standard input")? {
            match self.command_in(line.text.as_deref()) {
                Ok(None) => {}
                Ok(Some(cmd)) => self.answer(&cmd, output)?,
                Err(error) => {
                    faults += 1;
                    progress.fault(line.number, &format!("{error:#}; it has no answer"));
                }
            }
            progress.count(lines.count(), Instant::now());
        }
        progress.clear();
        ensure!(faults == 0, "{faults} of {} lines have no answer", lines.count());
        Ok(())
    }

    /// The command that a line of input is, or holds in JSON; none in a blank one.
    fn command_in(&self, line: Option<&str>) -> anyhow::Result<Option<String>> {
        let line = line.context("too long: a line may have 1 MiB")?;
        if line.trim().is_empty() {
            return Ok(None);
        }
        if !(self.json && line.trim_start().starts_with('{')) {
            return Ok(Some(line.strip_suffix('\r').unwrap_or(line).to_owned()));
        }
        match serde_json::from_str::<Submission>(line) {
            Ok(submission) => Ok(Some(submission.cmd)),
            // A shell's own `{ ...; }` begins with a brace and a blank.
            Err(_) if line.trim_start().starts_with("{ ") && !line.contains("\"cmd\"") => Ok(Some(line.to_owned())),
            Err(error) => Err(error).context("not a JSON object with a \"cmd\" string; correct the line"),
        }
    }

    fn answer(&self, cmd: &str, output: &mut impl Write) -> anyhow::Result<()> {
        let script = command::parse(cmd, self.shell);
        let assessment = self.assessor.assess(&script, &Circumstances::default());
        let text = if self.json {
            let answer = serde_json::to_string(&Answer::new(cmd, &assessment, self.features))?;
            printable_json(&answer).into_owned()
        } else {
            plain(&assessment)
        };
        writeln!(output, "{text}")
            .and_then(|()| output.flush())
            .context("cannot write the answers")
    }
}

/// One line of JSON input.
#[derive(Deserialize)]
struct Submission {
    cmd: String,
}

/// One line of JSON output.
#[derive(Serialize)]
struct Answer<'a> {
    cmd: &'a str,
    level: Level,
    score: f64,
    reasons: &'a [Reason],
    rule_level: Level,
    rule_score: f64,
    ml_level: Option<Level>,
    ml_confidence: Option<f64>,
    understood: bool,
    redacted: &'a str,
    pattern: &'a str,
    pattern_version: u32,
    command_hash: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    features: Option<Named<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature_digest: Option<&'static str>,
}

impl<'a> Answer<'a> {
    fn new(cmd: &'a str, assessment: &'a Assessment, with_features: bool) -> Self {
        Self {
            cmd,
            level: assessment.level,
            score: assessment.score,
            reasons: &assessment.reasons,
            rule_level: assessment.rule_level,
            rule_score: assessment.rule_score,
            ml_level: assessment.prediction.map(|prediction| prediction.level),
            ml_confidence: assessment.prediction.map(|prediction| prediction.confidence),
            understood: assessment.understood,
            redacted: &assessment.redacted,
            pattern: &assessment.pattern.text,
            pattern_version: PATTERN_VERSION,
            command_hash: &assessment.pattern.hash,
            features: with_features.then_some(Named(&assessment.features)),
            feature_digest: with_features.then(features::digest),
        }
    }
}

/// Features by name, in the order of the forest's input, which the trainer keeps.
struct Named<'a>(&'a [f32]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(features::NAMES.iter().zip(self.0))
    }
}

/// The answer for people: a line for the command, and one for each reason.
fn plain(assessment: &Assessment) -> String {
    let mut lines = vec![format!(
        "{:<8} {:.2}  {}",
        assessment.level,
        assessment.score,
        printable_line(&assessment.redacted)
    )];
    lines.extend(assessment.reasons.iter().map(|reason| {
        format!(
            "  {:<8} {} ({})",
            reason.level,
            printable_line(&reason.sentence),
            reason.rule
        )
    }));
    lines.push(format!("  {}", assessment.parts()));
    if !assessment.understood {
        lines.push("  not fully understood".to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::Rules;

    const RULES: &str = r#"
        [[rule]]
        id = "a.b"
        family = "f"
        level = "high"
        sentence = "Does harm."
        when = [{ program = ["foo"] }]
        match = []
        no_match = []
    "#;

    /// The answers, what was told beside them, and whether every line had one.
    fn run(input: &str, json: bool, features: bool) -> (String, String, anyhow::Result<()>) {
        let assessor = Assessor {
            rules: Rules::load(&[("a.toml", RULES)]).expect("rules"),
            forest: None,
            shadow: None,
            bounds: config::ModelBounds::default(),
        };
        let scorer = Scorer {
            assessor,
            json,
            features,
            shell: Dialect::Bash,
        };
        let (mut output, mut told) = (Vec::new(), Vec::new());
        let outcome = scorer.answer_all(input.as_bytes(), &mut output, &mut Progress::new(&mut told, false));
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (text(output), text(told), outcome)
    }

    fn answers(input: &str, json: bool, features: bool) -> String {
        let (answers, told, outcome) = run(input, json, features);
        assert_eq!((told.as_str(), outcome.is_ok()), ("", true));
        answers
    }

    fn parsed(input: &str) -> Vec<serde_json::Value> {
        let text = answers(input, true, true);
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }

    #[test]
    fn each_line_gets_one_answer_with_every_promised_field() {
        let found = parsed("foo x\n\n{\"cmd\": \"ls\\nfoo\"}\n");
        assert_eq!(found.len(), 2, "an empty line is no command");
        for field in [
            "cmd",
            "level",
            "score",
            "reasons",
            "rule_level",
            "ml_level",
            "ml_confidence",
            "understood",
            "redacted",
            "pattern",
            "command_hash",
            "features",
        ] {
            assert!(found.iter().all(|answer| answer.get(field).is_some()), "{field}");
        }
        assert_eq!(found[0]["reasons"][0]["rule"], "a.b");
        assert_eq!(found[1]["cmd"], "ls\nfoo", "a newline inside is one submission");
        assert_eq!(found[1]["level"], "high");
        assert_eq!(found[1]["features"]["line_count"], 2.0);
    }

    #[test]
    fn a_group_of_the_shell_is_not_taken_for_json() {
        assert_eq!(parsed("{ foo; }")[0]["level"], "high");
    }

    #[test]
    fn broken_json_is_named_by_its_line_and_the_others_are_answered() {
        let (answers, told, outcome) = run("ls\n{\"cmd\": 1}\n{\"cmd\"\nfoo\n", true, false);
        let commands: Vec<_> = answers.lines().filter_map(|line| line.split('"').nth(3)).collect();
        assert_eq!(commands, ["ls", "foo"]);
        assert_eq!(told.lines().count(), 2, "{told}");
        for (line, number) in told.lines().zip([2, 3]) {
            assert!(
                line.starts_with(&format!("opspilot: standard input, line {number}: not a JSON")),
                "{line}"
            );
        }
        assert_eq!(
            outcome.expect_err("two faults").to_string(),
            "2 of 4 lines have no answer"
        );
    }

    #[test]
    fn the_answer_for_people_holds_no_control_characters() {
        let text = answers("foo \u{1b}[2J\u{202e}", false, false);
        assert!(text.starts_with("high "), "{text}");
        assert!(text.contains("(a.b)"));
        assert!(text.ends_with("\n  rules: high; no model\n"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    }
}
