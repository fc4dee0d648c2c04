//! `GET /sessions` and `GET /sessions/{id}/recording`.

use std::io::{self, Write};

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::auth::{Allowed, Read};
use super::body::streamed;
use super::commands::limit;
use super::error::{ApiError, Fault};
use super::extract::{Id, Params};
use super::json::Json;
use crate::domain::{Name, SessionId};
use crate::recording::{self, Player};
use crate::store::{RecordingSummary, SessionFilter, SessionSummary};

/// Which sessions to list: the filters of `opspilot sessions`.
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
    /// Begun at or after this moment (RFC 3339).
    #[param(value_type = Option<String>, format = "date-time")]
    since: Option<Timestamp>,
    /// Rows, 1 to 500; 50 where it is left out.
    limit: Option<u32>,
}

/// Sessions, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct SessionPage {
    sessions: Vec<SessionSummary>,
}

/// Sessions, newest first.
#[utoipa::path(
    get, path = "/sessions", params(Filter), security(("token" = ["read"])),
    responses((status = OK, description = "The newest of them", body = SessionPage),
              (status = "default", description = "Why they are not told", body = Fault))
)]
pub(super) async fn sessions(
    State(api): State<Api>,
    allowed: Allowed<Read>,
    Params(filter): Params<Filter>,
) -> Result<Json<SessionPage>, ApiError> {
    let filter = SessionFilter {
        user: allowed.caller.listed(filter.user)?,
        target: filter.target,
        since: filter.since,
        limit: limit(filter.limit)?,
    };
    let sessions = api.readers().ask(move |reader| reader.sessions(&filter)).await?;
    Ok(Json(SessionPage { sessions }))
}

/// Which recording of the session.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The n-th recorded terminal of it; the first where it is left out.
    #[param(minimum = 1)]
    channel: Option<u32>,
}

/// What was shown on a terminal, in asciicast 2. It is the target's work: a player that passes it to a terminal passes all of it.
#[utoipa::path(
    get, path = "/sessions/{id}/recording", security(("token" = ["read"])),
    params(("id" = String, Path, description = "The session", format = "uuid"), Which),
    responses((status = OK, description = "The recording, as far as it goes", body = String, content_type = ASCIICAST,
               headers(("opspilot-recording-state" = String, description = "complete, open, cut or failed"))),
              (status = "default", description = "Why there is none", body = Fault))
)]
pub(super) async fn recording(
    State(api): State<Api>,
    allowed: Allowed<Read>,
    Id(id): Id<SessionId>,
    Params(which): Params<Which>,
) -> Result<Response, ApiError> {
    let channel = which.channel.unwrap_or(1);
    let asked = api
        .readers()
        .ask(move |reader| Ok((reader.session(id)?, reader.recordings(id)?)));
    let (session, recordings) = asked.await?;
    let may_see = session.is_some_and(|session| allowed.caller.may_see(&session.user_id));
    let found = recordings.into_iter().find(|found| may_see && found.channel == channel);
    let found = found.ok_or(ApiError::NotFound("recording"))?;
    let body = play(&api, &found).await?;
    let name = format!("attachment; filename=\"{id}-{channel}.cast\"");
    let headers = [(CONTENT_TYPE, ASCIICAST.to_owned()), (CONTENT_DISPOSITION, name)];
    Ok((headers, [("opspilot-recording-state", found.state)], body).into_response())
}

const ASCIICAST: &str = "application/x-asciicast";

async fn play(api: &Api, found: &RecordingSummary) -> Result<Body, ApiError> {
    let engine = api.gate().engine();
    let directory = engine.config.store.recordings.as_deref();
    let path = recording::locate(directory.ok_or(ApiError::NotFound("recording"))?, &found.path)?;
    let permit = api.readers().enter_stream()?;
    let player = api.readers().work(move || Player::open(&path)).await??;
    Ok(streamed(permit, move |out| write_cast(player, out)))
}

fn write_cast(mut player: Player, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(player.header_line().as_bytes())?;
    while let Some(line) = player.next_line().map_err(io::Error::other)? {
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}
