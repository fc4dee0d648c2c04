//! `POST /ask`: what would be made of a command.

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::auth::{Allowed, Ask};
use super::error::{ApiError, Fault};
use super::extract::Content;
use super::json::Json;
use crate::domain::{Channel, Decision, Level, Name};
use crate::gate::Preview;
use crate::risk::Reason;

/// A command that is not run.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// Where it would run.
    #[schema(value_type = String, example = "web-1")]
    target: Name,
    /// As whom; the target's own login where it is left out.
    login: Option<String>,
    /// The command.
    #[schema(example = "rm -rf /srv/www/releases/41")]
    command: String,
}

/// What would be made of it. The fields are those of `opspilot policy --json`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Answer {
    #[schema(value_type = String)]
    user: Name,
    #[schema(value_type = String)]
    target: Name,
    login: String,
    channel: Channel,
    /// The command without the secrets that were found in it; null where it is not scored, as for what serves files.
    redacted: Option<String>,
    level: Option<Level>,
    /// From 0 to 1.
    score: Option<f64>,
    reasons: Vec<Reason>,
    rule_level: Option<Level>,
    ml_level: Option<Level>,
    ml_confidence: Option<f64>,
    /// Whether all of it could be followed.
    understood: Option<bool>,
    /// The policy that decides; null where none applies, which denies.
    policy: Option<String>,
    decision: Decision,
    /// Why it is denied, where that is more than the policy's decision.
    because: Option<String>,
}

/// What the bastion would make of a command that the token's user sends as `ssh TARGET COMMAND`. Nothing runs, and nothing is recorded.
#[utoipa::path(
    post, path = "/ask", request_body = Question, security(("token" = ["ask"])),
    responses((status = OK, description = "Assessment and decision", body = Answer),
              (status = "default", description = "Why there is none", body = Fault))
)]
pub(super) async fn ask(
    State(api): State<Api>,
    allowed: Allowed<Ask>,
    Content(question): Content<Question>,
) -> Result<Json<Answer>, ApiError> {
    if question.command.contains('\0') {
        let why = "the command holds a NUL byte, which no shell can run";
        return Err(ApiError::Invalid(why.to_owned()));
    }
    let (gate, user) = (api.gate().clone(), allowed.caller.user);
    let answer = api.readers().work(move || {
        let preview = gate.preview(&user, &question.target, question.login.as_deref(), &question.command)?;
        Some(Answer::new(user, question.target, preview))
    });
    answer.await?.map(Json).ok_or(ApiError::NotFound("target or login"))
}

impl Answer {
    fn new(user: Name, target: Name, preview: Preview) -> Self {
        let assessed = preview.assessment.as_ref();
        let prediction = assessed.and_then(|assessment| assessment.prediction);
        Self {
            user,
            target,
            login: preview.login,
            channel: preview.channel,
            level: assessed.map(|assessment| assessment.level),
            score: assessed.map(|assessment| assessment.score),
            rule_level: assessed.map(|assessment| assessment.rule_level),
            ml_level: prediction.map(|prediction| prediction.level),
            ml_confidence: prediction.map(|prediction| prediction.confidence),
            understood: assessed.map(|assessment| assessment.understood),
            policy: preview.verdict.rule,
            decision: preview.verdict.decision,
            because: preview.verdict.because,
            reasons: assessed
                .map(|assessment| assessment.reasons.clone())
                .unwrap_or_default(),
            redacted: preview.assessment.map(|assessment| assessment.redacted.to_string()),
        }
    }
}
