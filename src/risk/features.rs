//! The forest's input: named numbers computed here and nowhere else, in training as in the daemon.
//!
//! They are computed from the parse of the redacted text, so that a stored row can be computed again, and they are
//! always finite: what is not known is [`MISSING`].

mod facts;
mod lexicon;
mod programs;
mod shape;
mod signs;
mod techniques;

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use super::{Circumstances, Reason};
use crate::command::Script;
use facts::{Facts, count, flag};
use lexicon::Sign;

/// The value of a feature that is not known.
pub const MISSING: f32 = -1.0;

/// Raised whenever a feature's meaning changes and its name does not.
const VERSION: u32 = 1;

/// What the rules said, as the forest sees it.
#[derive(Debug, Clone, Copy)]
pub struct Verdict<'a> {
    /// The rules that hit.
    pub reasons: &'a [Reason],
    /// The rules' score, 0 to 1.
    pub score: f64,
}

/// Declares the features: one line gives a feature's name, meaning and value, so that they cannot drift apart.
macro_rules! features {
    ($facts:ident: $(#[doc = $doc:literal] $name:ident = $value:expr;)+) => {
        /// The features' names, in the order of the vector.
        pub const NAMES: &[&str] = &[$(stringify!($name)),+];

        /// What each feature means, in the same order.
        pub const MEANINGS: &[&str] = &[$($doc),+];

        fn values($facts: &Facts) -> Vec<f32> {
            vec![$($value),+]
        }
    };
}

features! { facts:
    // Structure
    /// Bytes of the text.
    command_length = facts.length;
    /// Lines of the text.
    line_count = facts.lines;
    /// Simple commands found, wrapped and inner ones included.
    command_count = facts.commands;
    /// Words of all simple commands.
    word_count = facts.words;
    /// Bytes of the longest word.
    longest_word = facts.longest_word;
    /// Stages of the longest pipeline.
    pipeline_stages = facts.pipeline_stages;
    /// The deepest nesting of substitutions, wrappers and inner languages.
    depth = facts.depth;
    /// Commands found in substitutions.
    substitution_commands = facts.substitution_commands;
    /// Commands that a wrapper runs.
    wrapped_commands = facts.wrapped_commands;
    /// Commands found in text that another program runs.
    inner_commands = facts.inner_commands;
    /// Variable assignments.
    assignments = facts.assignments;
    /// Redirections.
    redirections = facts.redirections;
    /// Redirections that can change the file they name.
    writing_redirections = facts.writing_redirections;
    /// Writing redirections into the root, system, boot or device classes.
    system_redirections = facts.system_redirections;
    /// Here-documents and here-strings.
    here_documents = facts.here_documents;
    /// Kinds of doubt about the parse.
    doubts = facts.doubts;
    /// 1 if a program's name is not constant.
    dynamic_program = facts.dynamic_program;
    /// 1 if text that would be run could not be computed.
    opaque_text = facts.opaque_text;
    // Programs: 1 if one of the kind is named
    /// 1 if `sudo`, `doas`, `su`, `pkexec` or their like is used.
    has_sudo = facts.has(programs::Kind::Privilege);
    /// 1 if `rm` is used.
    has_rm = facts.has_rm;
    /// 1 if a program that deletes or overwrites files is used.
    has_deleter = facts.has(programs::Kind::Delete);
    /// 1 if a program that works on block devices, file systems or volumes is used.
    has_storage = facts.has(programs::Kind::Storage);
    /// 1 if a program that stops or restarts the host is used.
    has_power = facts.has(programs::Kind::Power);
    /// 1 if a service manager or a program that ends processes is used.
    has_service = facts.has(programs::Kind::Service);
    /// 1 if a package manager is used.
    has_package = facts.has(programs::Kind::Package);
    /// 1 if a program that changes accounts is used.
    has_account = facts.has(programs::Kind::Account);
    /// 1 if a program that changes permissions or ownership is used.
    has_permission = facts.has(programs::Kind::Permission);
    /// 1 if a program that configures network, firewall or routing is used.
    has_network = facts.has(programs::Kind::Network);
    /// 1 if a program that transfers data over the network is used.
    has_transfer = facts.has(programs::Kind::Transfer);
    /// 1 if a shell is started.
    has_shell = facts.has(programs::Kind::Shell);
    /// 1 if an interpreter of a programming language is started.
    has_interpreter = facts.has(programs::Kind::Interpreter);
    /// 1 if a database client or tool is used.
    has_database = facts.has(programs::Kind::Database);
    /// 1 if a container, cluster or virtual machine tool is used.
    has_container = facts.has(programs::Kind::Container);
    /// 1 if a cloud or infrastructure tool is used.
    has_cloud = facts.has(programs::Kind::Cloud);
    /// 1 if a version control tool is used.
    has_version_control = facts.has(programs::Kind::VersionControl);
    /// 1 if a backup, archive or synchronisation tool is used.
    has_backup = facts.has(programs::Kind::Backup);
    /// 1 if a kernel, boot or module tool is used.
    has_kernel = facts.has(programs::Kind::Kernel);
    /// 1 if a program that schedules or detaches work is used.
    has_scheduler = facts.has(programs::Kind::Scheduler);
    /// 1 if a program that encodes, decodes or encrypts is used.
    has_encoder = facts.has(programs::Kind::Encoder);
    /// The part of the programs that only read, 0 to 1.
    reader_fraction = facts.reader_fraction;
    // Words
    /// Words that begin with a dash.
    flags = facts.flags;
    /// 1 if a flag asks to force.
    has_force = facts.has_force;
    /// 1 if a flag asks to recurse.
    has_recursive = facts.has_recursive;
    /// 1 if a flag or word asks for everything (`--all`, `-A`).
    has_all = facts.has_all;
    /// 1 if a flag answers questions beforehand.
    has_yes = facts.has_yes;
    /// 1 if a flag asks only to show what would be done.
    has_dry_run = facts.has_dry_run;
    /// 1 if a flag asks for help or the version.
    has_help = facts.has_help;
    /// Words that name a loss (`delete`, `destroy`, `drop`, `purge`, `wipe`, `flush`, ...).
    destructive_words = facts.destructive_words;
    /// Words that name a reading (`list`, `show`, `get`, `status`, `describe`, ...).
    reading_words = facts.reading_words;
    /// 1 if an unquoted pattern is among the words.
    has_wildcards = facts.has_wildcards;
    // Operands by class
    /// Operands that are the file system's root.
    root_operands = facts.operands.root;
    /// Operands in system directories.
    system_operands = facts.operands.system;
    /// Operands in boot directories.
    boot_operands = facts.operands.boot;
    /// Operands that are devices.
    device_operands = facts.operands.device;
    /// Operands at mount points.
    mount_operands = facts.operands.mount;
    /// Operands in home directories.
    home_operands = facts.operands.home;
    /// Operands in data directories.
    data_operands = facts.operands.data;
    /// Operands in temporary directories.
    tmp_operands = facts.operands.tmp;
    /// Operands relative to the working directory.
    relative_operands = facts.operands.relative;
    /// Operands on other hosts.
    remote_operands = facts.operands.remote;
    /// Operands that could not be computed.
    opaque_operands = facts.operands.opaque;
    // Signs of hiding
    /// Words that are written so that they do not look like what they are.
    disguised_words = facts.disguised_words;
    /// The part of the characters that is not ASCII, 0 to 1.
    non_ascii_fraction = facts.non_ascii_fraction;
    /// The part of the characters that is neither alphanumeric nor blank, 0 to 1.
    symbol_fraction = facts.symbol_fraction;
    /// Shannon entropy of the text's bytes, 0 to 8 bits.
    entropy = facts.entropy;
    // Marks of techniques: different entries of the lexicon, by sign
    /// Shells named where they are not the program.
    shells_named = facts.mark(Sign::Shell);
    /// Ways for code to start a program.
    code_calls = facts.mark(Sign::Call);
    /// Ways to the network out of code or of the shell itself.
    socket_marks = facts.mark(Sign::Socket);
    /// Options and variables whose value is run.
    run_options = facts.mark(Sign::RunOption);
    /// Ways out of an interactive program into a shell.
    shell_escapes = facts.mark(Sign::Escape);
    /// Names of other users' rights.
    privilege_marks = facts.mark(Sign::Privilege);
    /// Places that hold credentials.
    credential_marks = facts.mark(Sign::Credential);
    /// Words for what must be kept secret.
    secret_words = facts.mark(Sign::Secret);
    /// Places from which things are started again.
    startup_marks = facts.mark(Sign::Startup);
    /// Records of what was done.
    trace_marks = facts.mark(Sign::Trace);
    /// Things that guard the host.
    defence_marks = facts.mark(Sign::Defence);
    /// Words and tools of attackers.
    hostile_words = facts.mark(Sign::Hostile);
    /// Things that are looked at to get to know a strange host.
    survey_marks = facts.mark(Sign::Survey);
    /// Directories that everybody may write to.
    shared_marks = facts.mark(Sign::Shared);
    // Combinations
    /// 1 if an interpreter is given its program on the command line.
    one_liner = flag(facts.techniques.one_liner);
    /// 1 if a shell or interpreter reads its program from a pipe.
    fed_interpreter = flag(facts.techniques.fed_interpreter);
    /// 1 if a program is run by a relative path or out of a shared directory.
    runs_local_file = flag(facts.techniques.runs_local_file);
    /// 1 if a program is run out of a shared directory.
    runs_shared_file = flag(facts.techniques.runs_shared_file);
    /// 1 if output goes to `/dev/null`.
    silenced = flag(facts.techniques.silenced);
    /// Programs of no known kind.
    unknown_programs = f32::from(facts.techniques.unknown_programs);
    /// 1 if network and shell meet.
    network_and_shell = flag(facts.techniques.network_and_shell());
    /// 1 if something is fetched and something of unclear origin is run.
    download_and_run = flag(facts.techniques.download_and_run());
    /// 1 if something is decoded and a shell is there to run it.
    decoder_and_shell = flag(facts.techniques.decoder_and_shell());
    /// 1 if credentials are named together with the network.
    credential_and_network = flag(facts.techniques.credential_and_network());
    /// 1 if something is written where things are started from.
    startup_written = flag(facts.techniques.startup_written());
    /// 1 if code, an option or an escape names a shell.
    shell_out = flag(facts.techniques.shell_out());
    /// 1 if it does so with another user's rights.
    privileged_shell_out = flag(facts.techniques.privileged_shell_out());
    // Looks of the text
    /// The part of the bytes that are digits, 0 to 1.
    digit_fraction = facts.share(facts.shape.digits);
    /// The part that are capital letters, 0 to 1.
    capital_fraction = facts.share(facts.shape.capitals);
    /// The part that are quotes, backslashes and backticks, 0 to 1.
    quote_fraction = facts.share(facts.shape.quotes);
    /// The part that are slashes, 0 to 1.
    slash_fraction = facts.share(facts.shape.slashes);
    /// The part that are parentheses, brackets and braces, 0 to 1.
    bracket_fraction = facts.share(facts.shape.brackets);
    /// Dollar signs.
    dollars = count(facts.shape.dollars);
    /// Semicolons, ampersands and bars.
    joints = count(facts.shape.joints);
    /// Numeric escapes.
    numeric_escapes = count(facts.shape.escapes);
    /// IPv4 addresses but for the host's own.
    addresses = count(facts.shape.addresses);
    /// URLs.
    urls = count(facts.shape.urls);
    /// URLs whose host is an address.
    bare_urls = count(facts.shape.bare_urls);
    /// Bytes of the longest run that an encoder may have made.
    longest_blob = count(facts.shape.blob);
    /// Paths with a hidden part.
    hidden_paths = count(facts.shape.hidden);
    // The rules' verdict
    /// The gravest rule's level, 0 for low to 3 for critical.
    rule_level = facts.rule_level;
    /// Rules that hit.
    rule_hits = facts.rule_hits;
    /// Rules of level high or critical that hit.
    grave_rule_hits = facts.grave_rule_hits;
    /// The rules' score, 0 to 1.
    rule_score = facts.rule_score;
    // Context of the target
    /// Load over one minute for each processor.
    system_load = facts.system_load;
    /// Memory in use, 0 to 100.
    memory_usage_percent = facts.memory_usage_percent;
    /// The fullest file system, 0 to 100.
    disk_usage_percent = facts.disk_usage_percent;
    /// Age of the snapshot in seconds.
    snapshot_age = facts.snapshot_age;
    /// 1 if the target is labelled as production.
    is_production = facts.is_production;
    /// 1 if the target is labelled as staging.
    is_staging = facts.is_staging;
    /// The hour in the target's local time, 0 to 23.
    hour_of_day = facts.hour_of_day;
    /// 1 on Saturday and Sunday in the target's local time.
    is_weekend = facts.is_weekend;
    // History of the pattern
    /// Times that this user ran the pattern.
    user_seen = facts.user_seen;
    /// Times that anybody ran the pattern on this target.
    target_seen = facts.target_seen;
    /// Times that a question about it was answered with yes.
    confirmed = facts.confirmed;
    /// Times that a question about it was answered with no.
    refused = facts.refused;
    /// Runs of it that failed.
    failed = facts.failed;
    /// Runs of it whose impact was moderate or severe.
    harmful = facts.harmful;
}

/// The features of a command, in the order of [`NAMES`]; every one finite.
///
/// `script` is the parse of the redacted text.
#[must_use]
pub fn compute(script: &Script, verdict: Verdict<'_>, circumstances: &Circumstances<'_>) -> Vec<f32> {
    let mut values = values(&Facts::gather(script, verdict, circumstances));
    for value in &mut values {
        if !value.is_finite() {
            *value = MISSING;
        }
    }
    values
}

/// SHA-256, in hexadecimal, over the version and the names: a model fits when it was trained under the same digest.
#[must_use]
pub fn digest() -> &'static str {
    // Every recorded command carries it.
    static DIGEST: LazyLock<String> = LazyLock::new(computed_digest);
    &DIGEST
}

fn computed_digest() -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("opspilot features {VERSION}\n"));
    for name in NAMES {
        hasher.update(name.as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap_or_default();
        hex
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::command;
    use crate::context::{LoadAvg, Snapshot, Usage};
    use crate::domain::{Dialect, History};

    #[test]
    fn every_feature_has_a_name_of_its_own_and_a_meaning() {
        let distinct: HashSet<_> = NAMES.iter().collect();
        assert_eq!(distinct.len(), NAMES.len());
        assert_eq!(MEANINGS.len(), NAMES.len());
        assert!(MEANINGS.iter().all(|meaning| meaning.trim().ends_with('.')));
    }

    #[test]
    fn the_features_of_the_original_design_are_there() {
        for name in [
            "command_length",
            "has_sudo",
            "has_rm",
            "has_wildcards",
            "system_load",
            "memory_usage_percent",
            "is_weekend",
            "hour_of_day",
        ] {
            assert!(NAMES.contains(&name), "{name}");
        }
    }

    #[test]
    fn the_digest_is_a_sha_256_in_hexadecimal() {
        assert_eq!(digest().len(), 64);
        assert_eq!(digest(), computed_digest());
    }

    fn values_of(text: &str, circumstances: &Circumstances<'_>) -> impl Fn(&str) -> f32 + use<> {
        let verdict = Verdict {
            reasons: &[],
            score: 0.0,
        };
        let values = compute(&command::parse(text, Dialect::Bash), verdict, circumstances);
        assert_eq!(values.len(), NAMES.len());
        move |name| {
            values[NAMES
                .iter()
                .position(|known| *known == name)
                .expect("a feature of this name")]
        }
    }

    fn value(text: &str, name: &str) -> f32 {
        values_of(text, &Circumstances::default())(name)
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "counts and flags are exact")]
    fn a_command_is_described_by_what_it_runs() {
        let text = "sudo rm -rf /etc/x *.log > /etc/y; cat a | grep b | wc -l";
        for (name, expected) in [
            ("has_sudo", 1.0),
            ("has_rm", 1.0),
            ("has_wildcards", 1.0),
            ("has_force", 1.0),
            ("has_recursive", 1.0),
            ("has_database", 0.0),
            ("pipeline_stages", 3.0),
            ("system_redirections", 1.0),
            ("command_length", 57.0),
        ] {
            assert_eq!(value(text, name), expected, "{name}");
        }
        assert!(value(text, "system_operands") >= 1.0);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "the sentinel is exact")]
    fn what_is_not_known_is_missing_and_not_zero() {
        let neutral = values_of("ls", &Circumstances::default());
        for name in [
            "system_load",
            "memory_usage_percent",
            "snapshot_age",
            "hour_of_day",
            "is_weekend",
            "is_production",
        ] {
            assert_eq!(neutral(name), MISSING, "{name}");
        }
        assert_eq!(neutral("user_seen"), 0.0, "an empty history is known to be empty");
    }

    #[test]
    fn hour_and_weekend_are_the_targets_own() {
        // Friday, 2026-11-20, 23:30 UTC; an hour and a half further east it is Saturday.
        let snapshot = Snapshot {
            utc_offset_minutes: Some(90),
            ..Snapshot::default()
        };
        let at = |snapshot| Circumstances {
            now_ms: Some(1_795_217_400_000),
            snapshot,
            ..Circumstances::default()
        };
        let there = values_of("ls", &at(Some(&snapshot)));
        assert_eq!((there("hour_of_day"), there("is_weekend")), (1.0, 1.0));
        let utc = values_of("ls", &at(None));
        assert_eq!((utc("hour_of_day"), utc("is_weekend")), (23.0, 0.0));
    }

    #[test]
    fn hostile_numbers_never_make_a_feature_infinite() {
        let snapshot = Snapshot {
            cpus: Some(0),
            load_avg: LoadAvg {
                one: Some(f64::INFINITY),
                ..LoadAvg::default()
            },
            memory_usage: Usage {
                percent: Some(f64::NAN),
                ..Usage::default()
            },
            ..Snapshot::default()
        };
        let circumstances = Circumstances {
            snapshot: Some(&snapshot),
            snapshot_age_ms: Some(u64::MAX),
            now_ms: Some(i64::MAX),
            environment: Some(""),
            history: History {
                user_seen: u32::MAX,
                ..History::default()
            },
        };
        let verdict = Verdict {
            reasons: &[],
            score: f64::NAN,
        };
        for text in ["", "\0", &"x".repeat(100_000), "'"] {
            let values = compute(&command::parse(text, Dialect::Bash), verdict, &circumstances);
            assert!(values.iter().all(|value| value.is_finite()));
        }
    }
}
