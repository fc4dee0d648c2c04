//! `GET /commands` and `GET /commands/{id}`.

use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::Api;
use super::auth::{Allowed, Read};
use super::error::{ApiError, Fault};
use super::extract::{Id, Params};
use super::json::Json;
use crate::domain::{CommandId, Decision, Level, Name};
use crate::store::{CommandDetail, CommandSummary, LogFilter};

/// Rows of a page, where none are asked for, and at most.
pub(super) const PAGE: u32 = 50;
pub(super) const MAX_PAGE: u32 = 500;

/// Which commands to list: the filters of `opspilot log`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Of this user only. Who has not the role `admin` sees their own alone.
    #[param(value_type = Option<String>)]
    user: Option<Name>,
    /// On this target only.
    #[param(value_type = Option<String>)]
    target: Option<Name>,
    /// Of this final level only.
    level: Option<Level>,
    /// With this decision only.
    decision: Option<Decision>,
    /// Submitted at or after this moment (RFC 3339).
    #[param(value_type = Option<String>, format = "date-time")]
    since: Option<Timestamp>,
    /// Whose redacted text contains this.
    text: Option<String>,
    /// What `next` of the page before said.
    #[param(value_type = Option<i64>)]
    cursor: Option<CommandId>,
    /// Rows of the page, 1 to 500; 50 where it is left out.
    limit: Option<u32>,
}

/// Commands, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct CommandPage {
    commands: Vec<CommandSummary>,
    /// The cursor of the next page; null where this is the last.
    next: Option<CommandId>,
}

/// How many rows are meant.
///
/// # Errors
/// None, or too many.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, ApiError> {
    let limit = asked.unwrap_or(PAGE);
    if (1..=MAX_PAGE).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::Invalid(format!("limit is from 1 to {MAX_PAGE}")))
}

/// Commands, newest first, in pages.
#[utoipa::path(
    get, path = "/commands", params(Filter), security(("token" = ["read"])),
    responses((status = OK, description = "A page of them", body = CommandPage),
              (status = "default", description = "Why there is none", body = Fault))
)]
pub(super) async fn commands(
    State(api): State<Api>,
    allowed: Allowed<Read>,
    Params(filter): Params<Filter>,
) -> Result<Json<CommandPage>, ApiError> {
    let limit = limit(filter.limit)?;
    let filter = LogFilter {
        user: allowed.caller.listed(filter.user)?,
        target: filter.target,
        level: filter.level,
        decision: filter.decision,
        since: filter.since,
        before: filter.cursor,
        text: filter.text,
        limit,
    };
    let commands = api.readers().ask(move |reader| reader.log(&filter)).await?;
    let is_full = u32::try_from(commands.len()).is_ok_and(|count| count == limit);
    let next = commands.last().filter(|_| is_full).map(|last| last.id);
    Ok(Json(CommandPage { commands, next }))
}

/// One command's whole life: all columns of `command_executions` (ARCHITECTURE.md describes them), and `events` that made them.
#[utoipa::path(
    get, path = "/commands/{id}", params(("id" = i64, Path, description = "Its number")), security(("token" = ["read"])),
    responses((status = OK, description = "The command", body = Object),
              (status = "default", description = "Why it is not told", body = Fault))
)]
pub(super) async fn command(
    State(api): State<Api>,
    allowed: Allowed<Read>,
    Id(id): Id<CommandId>,
) -> Result<Json<CommandDetail>, ApiError> {
    let command = api.readers().ask(move |reader| reader.show(id)).await?;
    let user = |command: &CommandDetail| {
        command
            .columns
            .get("user_id")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let seen = command.filter(|command| user(command).is_some_and(|user| allowed.caller.may_see(&user)));
    seen.map(Json).ok_or(ApiError::NotFound("command"))
}
