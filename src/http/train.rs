//! `POST /ml/train`: asks for a new model. The daemon trains nothing itself: it leaves a request, and a unit of its own takes that.

use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::api::Api;
use super::auth::{Allowed, Caller, Train};
use super::error::{ApiError, Fault};
use super::extract::Content;
use super::json::Json;
use crate::domain::Name;
use crate::learning::{Queue, QueueError, Request};

/// A training that is wanted.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// With fewer samples than these, nothing is trained; 50 where it is left out.
    #[schema(minimum = 1)]
    min_samples: Option<u32>,
}

/// A training that waits for the trainer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Job {
    /// Its identity.
    #[serde(rename = "job")]
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    #[schema(value_type = String, format = "date-time")]
    requested_at: Timestamp,
    /// The user who asked.
    #[schema(value_type = String)]
    requested_by: Name,
    min_samples: u32,
}

/// Has a model trained from the record. While one waits, another is refused.
#[utoipa::path(
    post, path = "/ml/train", request_body = Wanted, security(("token" = ["train"])),
    responses((status = ACCEPTED, description = "It waits for the trainer", body = Job),
              (status = "default", description = "Why it does not", body = Fault))
)]
pub(super) async fn train(
    State(api): State<Api>,
    allowed: Allowed<Train>,
    Content(wanted): Content<Wanted>,
) -> Result<(StatusCode, Json<Job>), ApiError> {
    allowed.caller.must_be_admin()?;
    let request = wanted.request(&allowed.caller)?;
    let queue = Queue::of(&api.gate().engine().config.server.state_dir);
    let pushing = api.readers().work(move || queue.push(&request).map(|id| (id, request)));
    let (id, request) = pushing.await?.map_err(refusal)?;
    let job = Job {
        id,
        requested_at: Timestamp::now(),
        requested_by: allowed.caller.user,
        min_samples: request.min_samples,
    };
    tracing::info!(job = %job.id, user = %job.requested_by, token = %allowed.caller.token, "a training was asked for");
    Ok((StatusCode::ACCEPTED, Json(job)))
}

impl Wanted {
    fn request(&self, caller: &Caller) -> Result<Request, ApiError> {
        let ordinary = Request::by(caller.user.as_str());
        match self.min_samples.unwrap_or(ordinary.min_samples) {
            0 => Err(ApiError::Invalid("min_samples is at least 1".to_owned())),
            min_samples => Ok(Request {
                min_samples,
                ..ordinary
            }),
        }
    }
}

fn refusal(error: QueueError) -> ApiError {
    match error {
        QueueError::Full => {
            ApiError::Conflict("a training waits already; /ml/status says how the last one ended".to_owned())
        }
        error => ApiError::Internal(error.to_string()),
    }
}
