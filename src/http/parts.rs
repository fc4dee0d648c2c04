//! What other rooms answer: how the model does, the record in numbers, its rows. The latter two say that there is no room for them yet.

use std::io::Write;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::api::Api;
use super::auth::{Allowed, Export, Read};
use super::body::streamed;
use super::error::{ApiError, Fault};
use super::extract::Params;
use crate::config::Config;
use crate::learning::ModelStatus;
use crate::store::Reader;

// Where the parts of the program plug in: each of these two becomes a call.

/// The last `days` days in numbers.
fn summary_of(_: &Reader, _: u32) -> Result<Value, ApiError> {
    Err(ApiError::NotBuilt("there is no summary"))
}

/// Writes rows, in constant memory.
type Exporter = Box<dyn FnOnce(&mut dyn Write) -> std::io::Result<()> + Send>;

/// What writes the rows that are meant.
fn exporter(_: &Api, _: &Selection) -> Result<Exporter, ApiError> {
    Err(ApiError::NotBuilt("rows cannot be taken away"))
}

/// How the model does: quality, age, drift, and whether another is due.
#[utoipa::path(
    get, path = "/ml/status", security(("token" = ["read"])),
    responses((status = OK, description = "As `opspilot model status --json`", body = Object),
              (status = "default", description = "Why it is not told", body = Fault))
)]
pub(super) async fn model_status(State(api): State<Api>, allowed: Allowed<Read>) -> Result<Json<Value>, ApiError> {
    allowed.caller.must_be_admin()?;
    let engine = api.gate().engine();
    let finding = api.readers().work(move || status_of_the_model(&engine.config));
    finding.await?.map(Json)
}

fn status_of_the_model(config: &Config) -> Result<Value, ApiError> {
    let status = ModelStatus::find(config).map_err(|error| ApiError::Internal(error.to_string()))?;
    serde_json::to_value(status).map_err(|error| ApiError::Internal(error.to_string()))
}

/// Which days are summed up.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Span {
    /// The last so many, 1 to 3650; 30 where it is left out.
    days: Option<u32>,
}

/// The longest span, days.
const MAX_DAYS: u32 = 3650;

fn days(asked: Option<u32>, default: u32) -> Result<u32, ApiError> {
    let days = asked.unwrap_or(default);
    if (1..=MAX_DAYS).contains(&days) {
        return Ok(days);
    }
    Err(ApiError::Invalid(format!("days is from 1 to {MAX_DAYS}")))
}

/// What the record says in numbers.
#[utoipa::path(
    get, path = "/analytics", params(Span), security(("token" = ["read"])),
    responses((status = OK, description = "As `opspilot stats --json`", body = Object),
              (status = "default", description = "Why it is not told", body = Fault))
)]
pub(super) async fn analytics(
    State(api): State<Api>,
    allowed: Allowed<Read>,
    Params(span): Params<Span>,
) -> Result<Json<Value>, ApiError> {
    allowed.caller.must_be_admin()?;
    let days = days(span.days, 30)?;
    let summary = api.readers().ask(move |reader| Ok(summary_of(reader, days)));
    summary.await?.map(Json)
}

/// Which rows are taken away: as `opspilot export` takes them.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Selection {
    /// `json`, an object a line, where it is left out.
    format: Option<Format>,
    /// Of the last so many days, 1 to 3650; 90 where it is left out.
    days: Option<u32>,
    #[expect(dead_code, reason = "nothing exports yet")]
    /// Whether what the forest was given comes with them.
    features: Option<bool>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Csv,
    #[default]
    Json,
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/x-ndjson",
        }
    }
}

/// Rows of the record, streamed.
#[utoipa::path(
    get, path = "/export", params(Selection), security(("token" = ["export"])),
    responses((status = OK, description = "The rows", content((String = "application/x-ndjson"), (String = "text/csv"))),
              (status = "default", description = "Why there are none", body = Fault))
)]
pub(super) async fn export(
    State(api): State<Api>,
    allowed: Allowed<Export>,
    Params(selection): Params<Selection>,
) -> Result<Response, ApiError> {
    allowed.caller.must_be_admin()?;
    days(selection.days, 90)?;
    let write = exporter(&api, &selection)?;
    let format = selection.format.unwrap_or_default();
    let body: Body = streamed(api.readers().enter_stream()?, write);
    tracing::info!(user = %allowed.caller.user, token = %allowed.caller.token, "rows are exported over HTTP");
    Ok(([(CONTENT_TYPE, format.content_type())], body).into_response())
}
