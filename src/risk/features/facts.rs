//! One pass over a parsed command and its circumstances: the raw material of the features.

use super::lexicon::Sign;
use super::programs::{self, Kind, Kinds};
use super::shape::Shape;
use super::techniques::Techniques;
use super::{MISSING, Verdict};
use crate::command::{self, Doubt, OperandClass, Origin, Script, SimpleCommand, Word};
use crate::context::Snapshot;
use crate::domain::Level;
use crate::risk::Circumstances;

/// Counts of operands by class.
#[derive(Debug, Clone, Default)]
pub(super) struct Operands {
    pub(super) root: f32,
    pub(super) system: f32,
    pub(super) boot: f32,
    pub(super) device: f32,
    pub(super) mount: f32,
    pub(super) home: f32,
    pub(super) data: f32,
    pub(super) tmp: f32,
    pub(super) relative: f32,
    pub(super) remote: f32,
    pub(super) opaque: f32,
}

/// Everything the features are read off.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    kinds: Kinds,
    programs: f32,
    bytes: usize,
    pub(super) shape: Shape,
    pub(super) techniques: Techniques,
    pub(super) length: f32,
    pub(super) lines: f32,
    pub(super) commands: f32,
    pub(super) words: f32,
    pub(super) longest_word: f32,
    pub(super) pipeline_stages: f32,
    pub(super) depth: f32,
    pub(super) substitution_commands: f32,
    pub(super) wrapped_commands: f32,
    pub(super) inner_commands: f32,
    pub(super) assignments: f32,
    pub(super) redirections: f32,
    pub(super) writing_redirections: f32,
    pub(super) system_redirections: f32,
    pub(super) here_documents: f32,
    pub(super) doubts: f32,
    pub(super) dynamic_program: f32,
    pub(super) opaque_text: f32,
    pub(super) has_rm: f32,
    pub(super) reader_fraction: f32,
    pub(super) flags: f32,
    pub(super) has_force: f32,
    pub(super) has_recursive: f32,
    pub(super) has_all: f32,
    pub(super) has_yes: f32,
    pub(super) has_dry_run: f32,
    pub(super) has_help: f32,
    pub(super) destructive_words: f32,
    pub(super) reading_words: f32,
    pub(super) has_wildcards: f32,
    pub(super) operands: Operands,
    pub(super) disguised_words: f32,
    pub(super) non_ascii_fraction: f32,
    pub(super) symbol_fraction: f32,
    pub(super) entropy: f32,
    pub(super) rule_level: f32,
    pub(super) rule_hits: f32,
    pub(super) grave_rule_hits: f32,
    pub(super) rule_score: f32,
    pub(super) system_load: f32,
    pub(super) memory_usage_percent: f32,
    pub(super) disk_usage_percent: f32,
    pub(super) snapshot_age: f32,
    pub(super) is_production: f32,
    pub(super) is_staging: f32,
    pub(super) hour_of_day: f32,
    pub(super) is_weekend: f32,
    pub(super) user_seen: f32,
    pub(super) target_seen: f32,
    pub(super) confirmed: f32,
    pub(super) refused: f32,
    pub(super) failed: f32,
    pub(super) harmful: f32,
}

impl Operands {
    /// Counts one operand. A relative pattern is seen by `has_wildcards` and counts as relative.
    fn count(&mut self, class: OperandClass) {
        let counter = match class {
            OperandClass::Root => &mut self.root,
            OperandClass::System => &mut self.system,
            OperandClass::Boot => &mut self.boot,
            OperandClass::Device => &mut self.device,
            OperandClass::Mount => &mut self.mount,
            OperandClass::Home => &mut self.home,
            OperandClass::Data => &mut self.data,
            OperandClass::Tmp => &mut self.tmp,
            OperandClass::Relative | OperandClass::Glob => &mut self.relative,
            OperandClass::Remote => &mut self.remote,
            OperandClass::Opaque => &mut self.opaque,
        };
        *counter += 1.0;
    }
}

impl Facts {
    pub(super) fn gather(script: &Script, verdict: Verdict<'_>, circumstances: &Circumstances<'_>) -> Self {
        let mut facts = Self::default();
        facts.read_text(&script.text);
        facts.read_script(script);
        facts.techniques = Techniques::of(script, facts.kinds, &facts.shape);
        facts.read_verdict(verdict);
        facts.read_context(circumstances);
        facts.read_history(circumstances);
        facts
    }

    /// 1 if a program of the kind was named.
    pub(super) fn has(&self, kind: Kind) -> f32 {
        flag(self.kinds.contains(kind))
    }

    /// Different entries of the lexicon with this sign.
    pub(super) fn mark(&self, sign: Sign) -> f32 {
        self.techniques.marks.of(sign)
    }

    /// A number of bytes as a part of the text.
    pub(super) fn share(&self, bytes: usize) -> f32 {
        fraction(bytes, self.bytes)
    }

    fn read_text(&mut self, text: &str) {
        self.bytes = text.len();
        self.shape = Shape::of(text);
        let characters = text.chars().count();
        self.length = count(text.len());
        self.lines = count(text.lines().count());
        self.non_ascii_fraction = fraction(text.chars().filter(|c| !c.is_ascii()).count(), characters);
        self.symbol_fraction = fraction(text.chars().filter(|c| is_symbol(*c)).count(), characters);
        self.entropy = entropy(text.as_bytes());
    }

    fn read_script(&mut self, script: &Script) {
        self.commands = count(script.commands.len());
        self.doubts = count(script.doubts.len());
        self.dynamic_program = flag(script.doubts.contains(&Doubt::DynamicProgram));
        self.opaque_text = flag(script.doubts.contains(&Doubt::Opaque));
        for command in &script.commands {
            self.read_command(command);
        }
        self.reader_fraction = if self.programs > 0.0 {
            self.reader_fraction / self.programs
        } else {
            0.0
        };
    }

    fn read_command(&mut self, command: &SimpleCommand) {
        self.words += count(command.words.len());
        self.assignments += count(command.assignments.len());
        self.pipeline_stages = self.pipeline_stages.max(count(command.stage) + 1.0);
        self.depth = self.depth.max(count(command.depth));
        match command.origin {
            Origin::Direct => {}
            Origin::Substitution => self.substitution_commands += 1.0,
            Origin::Wrapped(_) => self.wrapped_commands += 1.0,
            Origin::Inner(_) => self.inner_commands += 1.0,
        }
        self.read_program(command);
        self.read_redirections(command);
        for word in &command.words {
            self.longest_word = self.longest_word.max(count(word.text.len()));
            self.disguised_words += flag(word.disguised);
        }
        for word in command.arguments() {
            self.read_argument(word);
        }
    }

    fn read_program(&mut self, command: &SimpleCommand) {
        let Some(program) = command.program() else { return };
        self.programs += 1.0;
        self.has_rm = self.has_rm.max(flag(program == "rm"));
        if let Some(kind) = programs::kind(program) {
            self.kinds.insert(kind);
            self.reader_fraction += flag(kind == Kind::Reader);
        }
    }

    fn read_redirections(&mut self, command: &SimpleCommand) {
        for redirection in &command.redirections {
            self.redirections += 1.0;
            self.writing_redirections += flag(redirection.writes());
            self.here_documents += flag(redirection.operator.starts_with("<<"));
            self.system_redirections += flag(redirection.writes() && is_vital(&redirection.target));
        }
    }

    fn read_argument(&mut self, word: &Word) {
        self.has_wildcards = self.has_wildcards.max(flag(word.glob));
        if word.text.starts_with('-') && word.text.len() > 1 {
            self.read_flag(&word.text);
        } else {
            self.operands.count(command::operand_class(word));
        }
        let named = names(&word.text);
        self.destructive_words += flag(named == Some(Named::Loss));
        self.reading_words += flag(named == Some(Named::Reading));
    }

    fn read_flag(&mut self, text: &str) {
        self.flags += 1.0;
        let long = text.trim_start_matches('-').split('=').next().unwrap_or_default();
        let short = |letters: &[char]| is_cluster(text) && text.contains(letters);
        self.has_force = self.has_force.max(flag(long.starts_with("force") || short(&['f'])));
        self.has_recursive = self.has_recursive.max(flag(long == "recursive" || short(&['r', 'R'])));
        self.has_all = self.has_all.max(flag(long.starts_with("all") || short(&['a', 'A'])));
        self.has_yes = self.has_yes.max(flag(is_yes(long) || short(&['y'])));
        self.has_dry_run = self.has_dry_run.max(flag(is_dry_run(long)));
        self.has_help = self.has_help.max(flag(matches!(long, "help" | "version")));
    }

    fn read_verdict(&mut self, verdict: Verdict<'_>) {
        let gravest = verdict
            .reasons
            .iter()
            .map(|reason| reason.level)
            .max()
            .unwrap_or(Level::Low);
        let grave = verdict
            .reasons
            .iter()
            .filter(|reason| reason.level >= Level::High)
            .count();
        self.rule_level = count(gravest.index());
        self.rule_hits = count(verdict.reasons.len());
        self.grave_rule_hits = count(grave);
        self.rule_score = single(Some(verdict.score));
    }

    fn read_context(&mut self, circumstances: &Circumstances<'_>) {
        let snapshot = circumstances.snapshot;
        self.system_load = single(snapshot.and_then(load_per_cpu));
        self.memory_usage_percent = single(snapshot.and_then(|snapshot| snapshot.memory_usage.percent));
        self.disk_usage_percent = single(snapshot.and_then(fullest_disk));
        self.snapshot_age = circumstances.snapshot_age_ms.map_or(MISSING, seconds);
        let environment = circumstances.environment.map(str::to_ascii_lowercase);
        let is = |words: &[&str]| {
            environment
                .as_deref()
                .map_or(MISSING, |name| flag(words.contains(&name)))
        };
        self.is_production = is(&["prod", "production", "live"]);
        self.is_staging = is(&["staging", "stage", "preprod", "uat"]);
        let local = local_time(circumstances);
        self.hour_of_day = local.map_or(MISSING, |(hour, _)| hour);
        self.is_weekend = local.map_or(MISSING, |(_, weekend)| flag(weekend));
    }

    fn read_history(&mut self, circumstances: &Circumstances<'_>) {
        let history = circumstances.history;
        self.user_seen = times(history.user_seen);
        self.target_seen = times(history.target_seen);
        self.confirmed = times(history.confirmed);
        self.refused = times(history.refused);
        self.failed = times(history.failed);
        self.harmful = times(history.harmful);
    }
}

/// A count as a feature; beyond 65,535 it stays there, so that the conversion is exact.
pub(super) fn count(number: usize) -> f32 {
    u16::try_from(number).map_or(f32::from(u16::MAX), f32::from)
}

fn times(number: u32) -> f32 {
    u16::try_from(number).map_or(f32::from(u16::MAX), f32::from)
}

fn seconds(milliseconds: u64) -> f32 {
    u16::try_from(milliseconds / 1000).map_or(f32::from(u16::MAX), f32::from)
}

pub(super) fn flag(holds: bool) -> f32 {
    f32::from(u8::from(holds))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a feature has single precision; training casts alike"
)]
fn single(value: Option<f64>) -> f32 {
    value
        .filter(|value| value.is_finite())
        .map_or(MISSING, |value| value as f32)
}

fn fraction(part: usize, whole: usize) -> f32 {
    if whole == 0 {
        return 0.0;
    }
    // In parts of 10,000, which both fit the exact range and keep training and serving bit-identical.
    count(part.saturating_mul(10_000) / whole) / 10_000.0
}

fn is_symbol(character: char) -> bool {
    !character.is_alphanumeric() && !character.is_whitespace()
}

/// Shannon entropy in bits a byte.
fn entropy(bytes: &[u8]) -> f32 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let total = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    let bits = counts.iter().filter(|count| **count > 0).map(|count| {
        let share = f64::from(*count) / total;
        -share * share.log2()
    });
    single(Some(bits.sum()))
}

/// Whether a file that is written belongs to what the host consists of.
fn is_vital(target: &Word) -> bool {
    use OperandClass::{Boot, Device, Root, System};
    matches!(command::operand_class(target), Root | System | Boot | Device)
}

/// Whether a flag is a cluster of single letters (`-rf`).
fn is_cluster(text: &str) -> bool {
    text.len() <= 6 && !text.starts_with("--") && text.bytes().skip(1).all(|byte| byte.is_ascii_alphabetic())
}

fn is_yes(long: &str) -> bool {
    matches!(
        long,
        "yes" | "assume-yes" | "assumeyes" | "auto-approve" | "no-confirm" | "noconfirm" | "quiet" | "batch"
    )
}

fn is_dry_run(long: &str) -> bool {
    matches!(
        long,
        "dry-run" | "dryrun" | "simulate" | "just-print" | "no-act" | "whatif" | "check" | "noop"
    )
}

/// What a word of the command line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Loss,
    Reading,
}

fn names(word: &str) -> Option<Named> {
    const LOSS: &[&str] = &[
        "delete",
        "del",
        "destroy",
        "drop",
        "purge",
        "wipe",
        "flush",
        "flushall",
        "flushdb",
        "erase",
        "remove",
        "rm",
        "rmi",
        "prune",
        "reset",
        "terminate",
        "truncate",
        "format",
        "clean",
        "clear",
        "kill",
        "uninstall",
        "undefine",
        "unregister",
        "unpublish",
        "revoke",
        "disable",
        "stop",
        "down",
        "rb",
        "discard",
        "zap",
        "obliterate",
        "nuke",
        "unset",
        "detach",
        "evict",
        "drain",
        "seal",
        "shutdown",
        "poweroff",
        "reboot",
        "halt",
        "expire",
        "forget",
    ];
    const READING: &[&str] = &[
        "list", "ls", "show", "get", "status", "describe", "info", "logs", "log", "diff", "plan", "inspect", "search",
        "version", "help", "top", "view", "cat", "stat", "check", "validate", "verify", "history", "events", "ps",
        "print", "query", "dump", "export", "read", "find", "whoami",
    ];
    let word = word.trim_start_matches('-');
    if word.len() > 48 || !word.is_ascii() {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let mut parts = lower
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|part| !part.is_empty());
    let first = parts.next()?;
    match (LOSS.contains(&first), READING.contains(&first)) {
        (true, _) => Some(Named::Loss),
        (false, true) => Some(Named::Reading),
        (false, false) => parts.any(|part| LOSS.contains(&part)).then_some(Named::Loss),
    }
}

fn load_per_cpu(snapshot: &Snapshot) -> Option<f64> {
    let cpus = snapshot.cpus.filter(|cpus| *cpus > 0)?;
    Some(snapshot.load_avg.one? / f64::from(cpus))
}

fn fullest_disk(snapshot: &Snapshot) -> Option<f64> {
    snapshot
        .disk_usage
        .values()
        .filter_map(|usage| usage.percent)
        .reduce(f64::max)
}

/// Hour and whether it is a weekend, in the target's local time, or in UTC where its offset is not known.
fn local_time(circumstances: &Circumstances<'_>) -> Option<(f32, bool)> {
    const HOUR_MS: i64 = 3_600_000;
    const DAY_MS: i64 = 24 * HOUR_MS;
    let offset = circumstances
        .snapshot
        .and_then(|snapshot| snapshot.utc_offset_minutes)
        .unwrap_or(0);
    let local = circumstances.now_ms?.checked_add(i64::from(offset) * 60_000)?;
    let hour = u8::try_from(local.rem_euclid(DAY_MS) / HOUR_MS).ok()?;
    // The epoch was a Thursday: with Monday as 0, that is day 3.
    let weekday = (local.div_euclid(DAY_MS) + 3).rem_euclid(7);
    Some((f32::from(hour), weekday >= 5))
}
