//! `opspilot score`: the daemon's own assessment, for a command or for each line of standard input.

use std::io::{self, BufRead, Write, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde::{Deserialize, Serialize, Serializer};

use super::ConfigArg;
use crate::command::{self, PATTERN_VERSION};
use crate::config::{self, Config};
use crate::domain::{Dialect, Level, printable_line};
use crate::risk::{Assessment, Assessor, Circumstances, Reason, features};

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
    let mut output = stdout().lock();
    let outcome = match args.cmd {
        Some(cmd) => scorer.answer(&cmd, &mut output),
        None => scorer.answer_all(stdin().lock(), &mut output),
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
    }
    if args.rules_only {
        settings.model = None;
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
    fn answer_all(&self, input: impl BufRead, output: &mut impl Write) -> anyhow::Result<()> {
        for (index, line) in input.split(b'\n').enumerate() {
            let line = line.context("cannot read standard input")?;
            let line = String::from_utf8_lossy(&line);
            if line.trim().is_empty() {
                continue;
            }
            let cmd = self
                .command_in(&line)
                .with_context(|| format!("standard input, line {}", index + 1))?;
            self.answer(&cmd, output)?;
        }
        Ok(())
    }

    /// The command that a line of input is, or holds in JSON.
    fn command_in(&self, line: &str) -> anyhow::Result<String> {
        if !(self.json && line.trim_start().starts_with('{')) {
            return Ok(line.strip_suffix('\r').unwrap_or(line).to_owned());
        }
        match serde_json::from_str::<Submission>(line) {
            Ok(submission) => Ok(submission.cmd),
            // A shell's own `{ ...; }` begins with a brace and a blank.
            Err(_) if line.trim_start().starts_with("{ ") && !line.contains("\"cmd\"") => Ok(line.to_owned()),
            Err(error) => Err(error).context("not a JSON object with a \"cmd\" string; correct the line"),
        }
    }

    fn answer(&self, cmd: &str, output: &mut impl Write) -> anyhow::Result<()> {
        let script = command::parse(cmd, self.shell);
        let assessment = self.assessor.assess(&script, &Circumstances::default());
        let text = if self.json {
            serde_json::to_string(&Answer::new(cmd, &assessment, self.features))?
        } else {
            plain(&assessment)
        };
        writeln!(output, "{text}").context("cannot write the answers")
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
    if let Some(seen) = assessment.prediction {
        lines.push(format!(
            "  the forest says {}, {:.0}% sure",
            seen.level,
            seen.confidence * 100.0
        ));
    }
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

    fn answers(input: &str, json: bool, features: bool) -> anyhow::Result<String> {
        let assessor = Assessor {
            rules: Rules::load(&[("a.toml", RULES)])?,
            forest: None,
        };
        let scorer = Scorer {
            assessor,
            json,
            features,
            shell: Dialect::Bash,
        };
        let mut output = Vec::new();
        scorer.answer_all(input.as_bytes(), &mut output)?;
        Ok(String::from_utf8(output)?)
    }

    fn parsed(input: &str) -> Vec<serde_json::Value> {
        let text = answers(input, true, true).expect("answers");
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
    fn broken_json_names_its_line() {
        let error = answers("ls\n{\"cmd\": 1}\n", true, false).expect_err("not a string");
        assert!(
            format!("{error:#}").starts_with("standard input, line 2: "),
            "{error:#}"
        );
    }

    #[test]
    fn the_answer_for_people_holds_no_control_characters() {
        let text = answers("foo \u{1b}[2J\u{202e}", false, false).expect("an answer");
        assert!(text.starts_with("high "), "{text}");
        assert!(text.contains("(a.b)"));
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    }
}
