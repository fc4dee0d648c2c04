//! How long the questions to a large record take: `stats`, `log` under every filter, `show`.
//!
//! ```text
//! cargo bench --bench analytics                     # 200,000 commands over 365 days
//! cargo bench --bench analytics -- 5000000 [DIR]    # so many; the record is made in DIR, and removed (about 2.7 KB a command)
//! ```
//!
//! The record is filled by SQL, in the shape in which the writer leaves it: commands with features and contexts of the usual size,
//! their sessions and patterns, an event for each, and everything that follows from them by triggers. 40 users, 200 targets
//! and 20,000 patterns are met unevenly; of 100 commands about one is asked about. Each question is put ten times by a reader of
//! its own, as a program that starts would; printed are the median and the longest, in milliseconds, beside what is asked for.

use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use opspilot::domain::{CommandId, Decision, Level, Name};
use opspilot::store::{LogFilter, Reader, Store};
use rusqlite::{Connection, ToSql, named_params};

const COMMANDS: i64 = 200_000;
const DAYS: i64 = 365;

/// Commands that share a transaction.
const CHUNK: i64 = 10_000;

const TIMES: usize = 10;

/// What stands in one command alone, in the middle of all.
const NEEDLE: &str = "quixotic-zephyr";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let commands = arguments.first().map_or(Ok(COMMANDS), |number| number.parse())?;
    ensure!(commands >= CHUNK, "give at least {CHUNK} commands");
    let directory = tempfile::tempdir_in(arguments.get(1).map_or_else(std::env::temp_dir, PathBuf::from))?;
    let record = directory.path().join("opspilot.db");
    let started = Instant::now();
    fill(&record, commands).context("cannot fill the record")?;
    let took = started.elapsed().as_secs_f64();
    let bytes = std::fs::metadata(&record)?.len();
    let (each, megabytes) = (bytes / commands.unsigned_abs(), bytes >> 20);
    let mut out = stdout().lock();
    writeln!(
        out,
        "commands  {commands}, made in {took:.0} s, {megabytes} MiB, {each} bytes each"
    )?;
    writeln!(out, "\n   median     longest  (ms)")?;
    for (name, limit, ask) in questions(commands) {
        let (median, longest) = measured(&record, &ask)?;
        writeln!(out, "{median:9.2}   {longest:9.2}  {name}, at most {limit}")?;
    }
    Ok(())
}

type Ask = Box<dyn Fn(&Reader) -> anyhow::Result<()>>;

/// Median and longest, in milliseconds.
fn measured(record: &Path, ask: &Ask) -> anyhow::Result<(f64, f64)> {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let started = Instant::now();
        ask(&Reader::open(record)?)?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let milliseconds = |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
    Ok((milliseconds(times.get(TIMES / 2)), milliseconds(times.last())))
}

/// Each question with its name and the milliseconds that it may take.
fn questions(commands: i64) -> Vec<(String, u32, Ask)> {
    let mut questions: Vec<(String, u32, Ask)> = Vec::new();
    for days in [30, 365] {
        questions.push((
            format!("stats --days {days}"),
            200,
            Box::new(move |reader| stats(reader, days)),
        ));
    }
    for id in [1, commands / 2, commands] {
        questions.push((format!("show {id}"), 20, Box::new(move |reader| show(reader, id))));
    }
    for (name, filter) in filters() {
        questions.push((
            format!("log {name}"),
            50,
            Box::new(move |reader| {
                reader.log(&filter)?;
                Ok(())
            }),
        ));
    }
    questions
}

fn stats(reader: &Reader, days: i32) -> anyhow::Result<()> {
    let until = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let since = until.saturating_sub((days - 1).days());
    let analytics = reader.analytics(since, until)?;
    ensure!(analytics.total_commands > 0, "there is nothing to add up");
    reader.rules_that_asked(since, until, 1)?;
    reader.connections(since)?;
    Ok(())
}

fn show(reader: &Reader, id: i64) -> anyhow::Result<()> {
    reader.show(CommandId(id))?.context("there is no such command")?;
    Ok(())
}

fn filters() -> Vec<(String, LogFilter)> {
    let mut filters = [single(), combined(), texts()].concat();
    for level in Level::ALL {
        filters.push(filter(&format!("--level {level}"), |all| all.level = Some(*level)));
    }
    for decision in Decision::ALL {
        let name = format!("--decision {decision}");
        filters.push(filter(&name, |all| all.decision = Some(*decision)));
    }
    filters
}

fn single() -> Vec<(String, LogFilter)> {
    vec![
        filter("(all)", |_| {}),
        filter("--user user0", |all| all.user = name("user0")),
        filter("--user user39", |all| all.user = name("user39")),
        filter("--user nobody", |all| all.user = name("nobody")),
        filter("--target host199", |all| all.target = name("host199")),
        filter("--since 2h", |all| all.since = hours_ago(2)),
        filter("--since 365d", |all| all.since = hours_ago(24 * DAYS)),
    ]
}

fn combined() -> Vec<(String, LogFilter)> {
    vec![
        filter("--user user39 --target host199", |all| {
            (all.user, all.target) = (name("user39"), name("host199"));
        }),
        filter("--user user0 --level critical", |all| {
            (all.user, all.level) = (name("user0"), Some(Level::Critical));
        }),
        filter("--level low --decision deny", |all| {
            (all.level, all.decision) = (Some(Level::Low), Some(Decision::Deny));
        }),
        filter("--since 30d --user nobody", |all| {
            (all.since, all.user) = (hours_ago(720), name("nobody"));
        }),
        filter("TEXT (in most) --user user39", |all| {
            (all.text, all.user) = (Some("/srv/".to_owned()), name("user39"));
        }),
    ]
}

fn texts() -> Vec<(String, LogFilter)> {
    let texts = [
        ("in most", "/srv/"),
        ("in one", NEEDLE),
        ("in none", "no such text"),
        ("two characters", "sr"),
    ];
    let asked = texts.map(|(which, text)| filter(&format!("TEXT ({which})"), |all| all.text = Some(text.to_owned())));
    asked.into()
}

fn filter(name: &str, ask: impl FnOnce(&mut LogFilter)) -> (String, LogFilter) {
    let mut filter = LogFilter::default();
    ask(&mut filter);
    (name.to_owned(), filter)
}

fn name(name: &str) -> Option<Name> {
    name.parse().ok()
}

fn hours_ago(hours: i64) -> Option<Timestamp> {
    Timestamp::now().checked_sub(hours.hours()).ok()
}

fn fill(record: &Path, commands: i64) -> anyhow::Result<()> {
    let store = Store::open(record)?;
    tokio::runtime::Builder::new_current_thread()
        .build()?
        .block_on(store.close());
    let mut connection = Connection::open(record)?;
    connection.execute_batch("PRAGMA synchronous = off; PRAGMA cache_size = -500000; PRAGMA foreign_keys = off")?;
    let now = Timestamp::now().as_second();
    let (seconds, features) = (DAYS * 86_400, features());
    for first in (1..=commands).step_by(usize::try_from(CHUNK)?) {
        let last = (first + CHUNK - 1).min(commands);
        let transaction = connection.transaction()?;
        for sql in [SESSIONS, PATTERNS, COMMANDS_OF_A_CHUNK, EVENTS] {
            let sql = format!("{DRAWN}{sql}");
            insert(
                &transaction,
                &sql,
                named_params! {
                    ":first": first, ":last": last, ":all": commands, ":now": now, ":seconds": seconds,
                    ":features": features, ":needle": NEEDLE,
                },
            )?;
        }
        transaction.commit()?;
    }
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}

/// Runs a statement with those of the values that it uses.
fn insert(connection: &Connection, sql: &str, values: &[(&str, &dyn ToSql)]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    for (name, value) in values {
        if let Some(index) = statement.parameter_index(name)? {
            statement.raw_bind_parameter(index, value)?;
        }
    }
    statement.raw_execute().map(drop)
}

/// As many numbers as the forest takes.
fn features() -> String {
    format!("[{}]", ["0.0"; 123].join(","))
}

/// What the commands of a chunk are, by their number alone. Parts of 1: who, where, what, how grave, how it went.
const DRAWN: &str = "WITH RECURSIVE numbers (i) AS (SELECT :first UNION ALL SELECT i + 1 FROM numbers WHERE i < :last),
    parts AS MATERIALIZED (SELECT i,
        (i * 48271 % 65537) / 65537.0 AS who, (i * 16807 % 65521) / 65521.0 AS place, (i * 69621 % 99991) / 99991.0 AS what,
        (i * 39373 % 99989) / 99989.0 AS grave, (i * 30269 % 99971) / 99971.0 AS went FROM numbers),
    drawn AS MATERIALIZED (SELECT i, went,
        'user' || CAST(40 * who * who AS INTEGER) AS user_id, 'host' || CAST(200 * place * place AS INTEGER) AS target,
        CAST(20000 * what * what * what AS INTEGER) AS kind,
        strftime('%Y-%m-%dT%H:%M:%f000Z', :now - :seconds + i * 1.0 * :seconds / :all, 'unixepoch') AS timestamp,
        CASE WHEN grave < 0.875 THEN 'low' WHEN grave < 0.985 THEN 'medium' WHEN grave < 0.997 THEN 'high'
             WHEN grave < 0.999 THEN 'critical' END AS level
        FROM parts),
    decided AS MATERIALIZED (SELECT *, iif(level IS NULL, 'confirm', CASE level WHEN 'low' THEN iif(went < 0.0005, 'deny', 'allow')
        WHEN 'medium' THEN 'warn' WHEN 'high' THEN 'confirm' ELSE 'deny' END) AS decision FROM drawn),
    standing AS MATERIALIZED (SELECT *, CASE WHEN decision = 'deny' THEN 'denied' WHEN decision <> 'confirm' THEN 'finished'
        WHEN went < 0.82 THEN 'finished' WHEN went < 0.93 THEN 'refused' WHEN went < 0.97 THEN 'expired'
        ELSE 'abandoned' END AS state FROM decided) ";

const SESSIONS: &str = "INSERT INTO sessions (id, bastion_id, user_id, roles, target, login, client_address, client_version, state,
        started_at, ended_at, end_reason)
    SELECT 's' || (i / 50), 'b', user_id, '[\"sre\"]', target, 'deploy', '192.0.2.7:50022', 'SSH-2.0-OpenSSH_9.9', 'closed',
           timestamp, timestamp, 'the user left' FROM drawn WHERE i % 50 = 0 OR i = 1";

const PATTERNS: &str = "INSERT OR IGNORE INTO command_patterns (command_hash, target, pattern, pattern_version, first_seen, last_seen)
    SELECT printf('%032x', kind * 7919), target, printf('tool-%d run <data>', kind), 1, timestamp, timestamp FROM drawn";

const COMMANDS_OF_A_CHUNK: &str = "INSERT INTO command_executions (id, uid, bastion_id, session_id, timestamp, user_id, target, login,
        channel, host_info, cwd, command, command_mac, exactness, command_hash, pattern, pattern_version, initial_risk_level,
        initial_risk_score, ml_risk_level, ml_confidence, final_risk_level, final_risk_score, reasons, features, feature_digest,
        decision, policy, state, user_confirmed, confirmation_time_ms, answered_by, answer_channel, execution_success, exit_code,
        execution_time_ms, stdout_length, stderr_length, system_context, system_context_after, actual_impact)
    SELECT i, printf('%08x-0000-7000-8000-%012x', i, i), 'b', 's' || (i / 50), timestamp, user_id, target, 'deploy', 'exec',
        json_object('target', target, 'address', '10.0.0.11:22', 'host_key', 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU'),
        '/srv/www', printf('tool-%d run --now /srv/%d/%s', kind, i % 9973, iif(i = :all / 2, :needle, target)),
        printf('%064x', i), 'exact', printf('%032x', kind * 7919), printf('tool-%d run <data>', kind), 1,
        level, iif(level IS NULL, NULL, 0.4), iif(level IS NULL, NULL, iif(went < 0.1, 'medium', level)), iif(level IS NULL, NULL, 0.9),
        level, iif(level IS NULL, NULL, 0.4),
        iif(level IS NULL, NULL, json_array(json_object('rule', 'rule-' || (kind % 150), 'level', level, 'sentence', 'removes whole directories'))),
        iif(level IS NULL, NULL, :features), iif(level IS NULL, NULL, '0123456789abcdef'), decision, 'production', state,
        CASE WHEN decision <> 'confirm' THEN NULL WHEN state = 'finished' THEN 1 WHEN state = 'refused' THEN 0 END,
        iif(decision = 'confirm' AND state IN ('finished', 'refused'), 500 + i * 31 % 60000, NULL),
        iif(decision = 'confirm' AND state IN ('finished', 'refused'), user_id, NULL),
        iif(decision = 'confirm' AND state IN ('finished', 'refused'), 'terminal', NULL),
        iif(state = 'finished', went > 0.05, NULL), iif(state = 'finished', iif(went > 0.05, 0, 1), NULL),
        iif(state = 'finished', i % 5000, NULL), iif(state = 'finished', i % 100000, NULL), iif(state = 'finished', 0, NULL),
        '{\"os_info\":{\"distribution\":\"Debian GNU/Linux 13\"},\"memory_usage\":{\"percent\":40.5},\"disk_usage\":{\"/\":{\"percent\":61.0}},\"load_avg\":{\"1min\":0.2},\"age_ms\":900}',
        iif(state = 'finished', '{\"os_info\":{\"distribution\":\"Debian GNU/Linux 13\"},\"memory_usage\":{\"percent\":40.6},\"disk_usage\":{\"/\":{\"percent\":61.0}},\"load_avg\":{\"1min\":0.3},\"age_ms\":0}', NULL),
        iif(state = 'finished', CASE WHEN went < 0.90 THEN 'none' WHEN went < 0.95 THEN 'minor' WHEN went < 0.955 THEN 'moderate'
            WHEN went < 0.956 THEN 'severe' END, NULL)
    FROM standing ORDER BY i";

const EVENTS: &str = "INSERT INTO events (seq, bastion_id, kind, session_id, command_id, at, payload, payload_digest, digest)
    SELECT i, 'b', 'command_recorded', 's' || (i / 50), i, timestamp, '{}', zeroblob(32), zeroblob(32) FROM standing ORDER BY i";
