//! What the gate counts for the operator. Labels are words of closed vocabularies, so that there are never more series than those.

use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::case::Case;
use crate::domain::Level;
use crate::store::Verdict;

/// Counters and times of all that passes; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    judged: Family<Judged, Counter>,
    resolved: Family<Resolved, Counter>,
    unrecorded: Counter,
    judging: Histogram,
    recording: Histogram,
    answering: Histogram,
    reloaded: Gauge,
    reloaded_at: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Judged {
    channel: &'static str,
    level: &'static str,
    decision: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Resolved {
    state: &'static str,
}

impl Metrics {
    /// All at zero; the first configuration is in force.
    pub(super) fn new() -> Self {
        let metrics = Self {
            judged: Family::default(),
            resolved: Family::default(),
            unrecorded: Counter::default(),
            // 50 us to 1.6 s.
            judging: Histogram::new(exponential_buckets(50e-6, 2.0, 16)),
            // 100 us to 26 s.
            recording: Histogram::new(exponential_buckets(100e-6, 2.0, 19)),
            // 250 ms to 17 min.
            answering: Histogram::new(exponential_buckets(0.25, 2.0, 13)),
            reloaded: Gauge::default(),
            reloaded_at: Gauge::default(),
        };
        metrics.reloaded(true);
        metrics
    }

    /// Offers them to be read.
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Commands, file operations and forwards that were judged";
        registry.register("commands_judged", help, self.judged.clone());
        let help = "Questions that have ended, by what the command became";
        registry.register("questions_ended", help, self.resolved.clone());
        let help = "Commands that could not be put on record";
        registry.register("commands_unrecorded", help, self.unrecorded.clone());
        let help = "1 where the configuration that was read last is in force, 0 where it could not be used";
        registry.register("last_reload_successful", help, self.reloaded.clone());
        let help = "When the configuration that is in force was read, since the epoch";
        registry.register_with_unit(
            "last_reload_success_time",
            help,
            Unit::Seconds,
            self.reloaded_at.clone(),
        );
        let times = [
            (
                "judging",
                "Parsing, scoring and deciding about one command",
                &self.judging,
            ),
            (
                "recording",
                "From asking for a row to its being on disk",
                &self.recording,
            ),
            ("answering", "From question to answer", &self.answering),
        ];
        for (name, help, histogram) in times {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
    }

    /// A configuration has been read, and is in force or not.
    pub(super) fn reloaded(&self, in_force: bool) {
        self.reloaded.set(i64::from(in_force));
        if in_force {
            self.reloaded_at.set(Timestamp::now().as_second());
        }
    }

    /// One more was judged, in so much time.
    pub(super) fn judged(&self, case: &Case, time: Duration) {
        let labels = Judged {
            channel: case.request.channel.as_str(),
            level: case.level().map_or("unknown", Level::as_str),
            decision: case.verdict.decision.as_str(),
        };
        self.judged.get_or_create(&labels).inc();
        self.judging.observe(time.as_secs_f64());
    }

    /// What was to be recorded is on disk, after so much time.
    pub(super) fn recorded(&self, time: Duration) {
        self.recording.observe(time.as_secs_f64());
    }

    /// One could not be recorded.
    pub(super) fn unrecorded(&self) {
        self.unrecorded.inc();
    }

    /// A question has ended.
    pub(super) fn resolved(&self, verdict: &Verdict) {
        let state = verdict.state().as_str();
        self.resolved.get_or_create(&Resolved { state }).inc();
        if let Some((_, answer)) = verdict.answer() {
            self.answering
                .observe(Duration::from_millis(answer.time_ms).as_secs_f64());
        }
    }
}
