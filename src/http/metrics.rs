//! `GET /metrics`: counters, times and levels for Prometheus, in the text format of `OpenMetrics`.
//!
//! Labels are words of closed vocabularies and the paths of the description: nothing that a client or a target says becomes one.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::api::Api;
use super::auth::{Allowed, Metrics};
use super::error::{ApiError, Fault};
use crate::gate::Gate;
use crate::gateway;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that there is to read.
pub(super) struct Meters {
    gate: Arc<Gate>,
    gateway: gateway::Control,
    registry: Registry,
    requests: Family<Answered, Counter>,
    answering: Family<Route, Histogram, fn() -> Histogram>,
    levels: Levels,
}

/// What stands at some level, read when it is asked for.
#[derive(Default)]
struct Levels {
    sessions: Gauge,
    questions: Gauge,
    queued: Gauge,
    database: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

impl Meters {
    /// All at zero, but for what the gate has counted.
    pub(super) fn new(gate: &Arc<Gate>, gateway: gateway::Control) -> Self {
        let mut registry = Registry::with_prefix("opspilot");
        let requests = Family::default();
        // 100 us to 3.3 s.
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(100e-6, 2.0, 16));
        let answering = Family::new_with_constructor(histogram);
        let levels = Levels::default();
        gate.register_metrics(&mut registry);
        registry.register(
            "http_requests",
            "Requests to this API, by path and status",
            requests.clone(),
        );
        let help = "From the head of a request to that of its answer";
        registry.register_with_unit("http_answering", help, Unit::Seconds, answering.clone());
        levels.register(&mut registry);
        register_facts(&mut registry);
        Self {
            gate: gate.clone(),
            gateway,
            registry,
            requests,
            answering,
            levels,
        }
    }

    /// A request has been answered.
    pub(super) fn answered(&self, route: &str, status: StatusCode, time: Duration) {
        let route = route.to_owned();
        let labels = Answered {
            route: route.clone(),
            status: status.as_u16(),
        };
        self.requests.get_or_create(&labels).inc();
        self.answering
            .get_or_create(&Route { route })
            .observe(time.as_secs_f64());
    }

    /// All of it as text. Looks at the file system.
    fn text(&self) -> Result<String, fmt::Error> {
        self.levels.sessions.set(level(self.gateway.open_sessions()));
        self.levels.questions.set(level(self.gate.open_questions()));
        self.levels.queued.set(level(self.gate.store().queued()));
        if let Ok(database) = fs::metadata(self.gate.store().path()) {
            self.levels.database.set(level(database.len()));
        }
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Levels {
    fn register(&self, registry: &mut Registry) {
        let help = "Connections that are authenticated now";
        registry.register("sessions_open", help, self.sessions.clone());
        let help = "Questions that wait for an answer";
        registry.register("questions_open", help, self.questions.clone());
        let help = "Changes that wait for the writer of the record";
        registry.register("record_queued", help, self.queued.clone());
        let help = "The database's file, without its journal";
        registry.register_with_unit("record_size", help, Unit::Bytes, self.database.clone());
    }
}

fn register_facts(registry: &mut Registry) {
    let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "This program", version);
    let started = Gauge::<i64>::default();
    started.set(Timestamp::now().as_second());
    let help = "When this daemon started, since the epoch";
    registry.register_with_unit("start_time", help, Unit::Seconds, started);
}

fn level(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// Counters, times and levels of the daemon since its start, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", security(("token" = ["metrics"])),
    responses((status = OK, description = "In the text format of OpenMetrics", body = String, content_type = OPEN_METRICS),
              (status = "default", description = "Why there are none", body = Fault))
)]
pub(super) async fn metrics(State(api): State<Api>, _: Allowed<Metrics>) -> Result<Response, ApiError> {
    let meters = api.clone();
    let text = api.readers().work(move || meters.meters().text()).await?;
    let text = text.map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
