//! What goes wrong, as the client is told: a status, a code for programs, and a sentence for people.

use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::json::Json;
use crate::domain::Scope;
use crate::recording::RecordingError;
use crate::store::StoreError;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// Nobody knows who asks.
    #[error("show a valid token, as in `Authorization: Bearer opspilot_...`; `opspilot token add` makes one")]
    Unauthorized,
    /// The token is not for this.
    #[error("this token lacks the scope `{0}`")]
    Scope(Scope),
    /// The user may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing, or the user may not see it: nobody is told which.
    #[error("there is no such {0} that this user may see")]
    NotFound(&'static str),
    /// The request cannot be understood.
    #[error("{0}")]
    Invalid(String),
    /// The framework could not make sense of the request.
    #[error("{message}")]
    Rejected {
        /// The status that fits.
        status: StatusCode,
        /// What is wrong with it.
        message: String,
    },
    /// It does not fit what there is.
    #[error("{0}")]
    Conflict(String),
    /// The token has been used too often.
    #[error("this token has made its requests of the minute (http.requests_per_minute); wait {} s", .0.as_secs())]
    TooMany(Duration),
    /// As much is streamed as may be at once.
    #[error("too many downloads are under way; try again later")]
    Busy,
    /// The request did not come whole, or its answer did not come about, in time.
    #[error("the request took too long")]
    TooSlow,
    /// The record cannot be asked.
    #[error("the record cannot be used now; the bastion's log says why")]
    Store(#[from] StoreError),
    /// A recording cannot be read.
    #[error("the recording cannot be read; the bastion's log says why")]
    Recording(#[from] RecordingError),
    /// A defect of this program.
    #[error("the bastion failed; its log says why")]
    Internal(String),
}

/// A fault, as JSON.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Fault {
    /// What kind of fault it is, for programs: one of a fixed list.
    #[schema(example = "scope_missing")]
    code: &'static str,
    /// What is wrong and what to do about it, for people.
    message: String,
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Scope(_) | Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Rejected { status, .. } => *status,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy | Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Recording(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Scope(_) => "scope_missing",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Rejected { status, .. } if *status == StatusCode::NOT_FOUND => "not_found",
            Self::Rejected { status, .. } if *status == StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
            Self::Rejected { status, .. } if *status == StatusCode::PAYLOAD_TOO_LARGE => "too_large",
            Self::Invalid(_) | Self::Rejected { .. } => "invalid",
            Self::Conflict(_) => "conflict",
            Self::TooMany(_) => "rate_limited",
            Self::Busy => "busy",
            Self::TooSlow => "timeout",
            Self::Store(_) => "record_unavailable",
            Self::Recording(_) | Self::Internal(_) => "internal",
        }
    }

    /// What only the log may know.
    fn log(&self) {
        match self {
            Self::Store(error) => tracing::error!(%error, "cannot answer over HTTP from the record"),
            Self::Recording(error) => tracing::error!(%error, "cannot give a recording over HTTP"),
            Self::Internal(why) => tracing::error!(why, "an HTTP request failed"),
            _ => {}
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let fault = Fault {
            code: self.code(),
            message: self.to_string(),
        };
        let mut response = (self.status(), Json(fault)).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                // Who guesses has to connect anew for each guess.
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::TooSlow => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::TooMany(wait) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
            }
            _ => {}
        }
        response
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self::Rejected {
            status: rejection.status(),
            message: rejection.body_text(),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::Rejected {
            status: rejection.status(),
            message: rejection.body_text(),
        }
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::Rejected {
            status: rejection.status(),
            message: rejection.body_text(),
        }
    }
}
