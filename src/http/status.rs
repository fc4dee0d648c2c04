//! `GET /ml/status`.

use axum::extract::State;
use serde_json::Value;

use super::api::Api;
use super::auth::{Allowed, Read};
use super::error::{ApiError, Fault};
use super::json::Json;
use crate::config::Config;
use crate::learning::ModelStatus;

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
