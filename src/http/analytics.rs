//! `GET /analytics`.

use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;

use super::api::Api;
use super::auth::{Allowed, Read};
use super::error::{ApiError, Fault};
use super::extract::Params;
use super::json::Json;
use crate::store::Report;

/// The longest span, days.
const MAX_DAYS: u16 = 3650;

/// Which days are summed up.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Span {
    /// The last so many (UTC), today included, 1 to 3650; 30 where it is left out.
    #[param(minimum = 1, maximum = 3650)]
    days: Option<u16>,
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
) -> Result<Json<Report>, ApiError> {
    allowed.caller.must_be_admin()?;
    let days = days(span.days, 30)?;
    let asked = api.readers().ask(move |reader| reader.report(days, Timestamp::now()));
    asked.await.map(Json)
}

/// How many days are meant.
///
/// # Errors
/// None, or too many.
pub(super) fn days(asked: Option<u16>, default: u16) -> Result<u16, ApiError> {
    let days = asked.unwrap_or(default);
    if (1..=MAX_DAYS).contains(&days) {
        return Ok(days);
    }
    Err(ApiError::Invalid(format!("days is from 1 to {MAX_DAYS}")))
}
