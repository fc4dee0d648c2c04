//! `POST /ml/feedback`: answers a command that waits, compares an answer with the record, and says how a command turned out.

use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::auth::{Allowed, Caller, Feedback};
use super::error::{ApiError, Fault};
use super::extract::Content;
use super::json::Json;
use crate::domain::{CommandId, Rating, SessionId, State as CommandState};
use crate::gate::AnswerError;
use crate::store::{self, Comment, Rater, StoreError, Subject};

/// What is said, and of which command.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    /// The command's number.
    command_id: Option<CommandId>,
    /// Instead: a session that has this one command.
    #[schema(value_type = Option<String>, format = "uuid")]
    session_id: Option<SessionId>,
    /// How the command turned out: from 1, it did harm, to 5, all was well.
    #[schema(minimum = 1, maximum = 5)]
    rating: Option<u8>,
    /// What there is to say besides, 2000 bytes at most; secrets that are recognised are not recorded.
    comment: Option<String>,
    /// Answers a command that waits, where its policy has `http_answers = true`; for any other, what the record must say.
    user_confirmed: Option<bool>,
    /// What the record must say. For a command that waits, the bastion itself measures the time.
    confirmation_time_ms: Option<u64>,
}

/// What became of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Done {
    command_id: CommandId,
    /// Whether this was the answer that the command waited for.
    answered: bool,
    /// Whether rating or comment are on record now.
    recorded: bool,
}

/// Answers a command that waits, or says something of one that does not.
#[utoipa::path(
    post, path = "/ml/feedback", request_body = Said, security(("token" = ["feedback"])),
    responses((status = OK, description = "It is done", body = Done),
              (status = CONFLICT, description = "The record says otherwise, or nothing waits", body = Fault),
              (status = "default", description = "Why it is not done", body = Fault))
)]
pub(super) async fn feedback(
    State(api): State<Api>,
    allowed: Allowed<Feedback>,
    Content(said): Content<Said>,
) -> Result<Json<Done>, ApiError> {
    let opinion = said.opinion()?;
    let caller = &allowed.caller;
    let subject = said.subject(&api, caller).await?.ok_or(UNKNOWN)?;
    let answer = said.user_confirmed.filter(|_| subject.state == CommandState::Held);
    // Who may answer for a robot may not rate its commands by that; nothing is done by halves.
    if (answer.is_none() || opinion.is_some()) && !caller.may_see(&subject.user_id) {
        return Err(UNKNOWN);
    }
    match answer {
        Some(yes) => answer_it(&api, caller, &subject, yes)?,
        None => said.compare(&subject)?,
    }
    let recorded = opinion.is_some();
    if let Some(opinion) = opinion {
        record(&api, caller, subject.id, opinion).await?;
    }
    Ok(Json(Done {
        command_id: subject.id,
        answered: answer.is_some(),
        recorded,
    }))
}

const UNKNOWN: ApiError = ApiError::NotFound("command");

/// Answers, for the user of the token alone: an admin answers nobody else's question.
fn answer_it(api: &Api, caller: &Caller, subject: &Subject, yes: bool) -> Result<(), ApiError> {
    let answered = api.gate().answer(&caller.user, subject.id, yes);
    answered.map_err(|error| match error {
        AnswerError::NotWaiting if !caller.may_see(&subject.user_id) => UNKNOWN,
        AnswerError::NotWaiting => ApiError::Conflict(error.to_string()),
        AnswerError::NotAllowed => ApiError::Forbidden(error.to_string()),
    })?;
    tracing::info!(id = %subject.id, user = %caller.user, token = %caller.token, yes, "a command was answered over HTTP");
    Ok(())
}

/// What somebody says of how a command turned out.
#[derive(Debug)]
struct Opinion {
    rating: Rating,
    comment: Option<Comment>,
}

impl Opinion {
    fn new(rating: u8, comment: Option<&str>) -> Result<Self, ApiError> {
        let rating = Rating::try_from(rating).map_err(|error| ApiError::Invalid(error.to_string()))?;
        let comment = Comment::new(comment.unwrap_or_default());
        let comment = comment.map_err(|error| ApiError::Invalid(error.to_string()))?;
        Ok(Self { rating, comment })
    }
}

/// Records it in the name of the user of the token, with the roles of now.
async fn record(api: &Api, caller: &Caller, id: CommandId, opinion: Opinion) -> Result<(), ApiError> {
    let given = store::Feedback {
        by: Rater::User {
            name: caller.user.clone(),
            roles: caller.roles.clone(),
        },
        rating: opinion.rating,
        comment: opinion.comment,
        at: Timestamp::now(),
    };
    match api.gate().store().give_feedback(id, given).await {
        Err(StoreError::NotRateable(_)) => return Err(UNKNOWN),
        given => given?,
    }
    tracing::info!(%id, user = %caller.user, token = %caller.token, "a command was rated over HTTP");
    Ok(())
}

impl Said {
    /// The opinion in it, where there is one.
    fn opinion(&self) -> Result<Option<Opinion>, ApiError> {
        let says_something = self.user_confirmed.is_some() || self.confirmation_time_ms.is_some();
        let problem = match (self.rating, &self.comment) {
            (Some(rating), comment) => return Opinion::new(rating, comment.as_deref()).map(Some),
            (None, Some(_)) => "a comment goes with a rating",
            (None, None) if says_something => return Ok(None),
            (None, None) => "say something: rating or user_confirmed",
        };
        Err(ApiError::Invalid(problem.to_owned()))
    }

    /// The command that is meant; `None` where there is no such command.
    async fn subject(&self, api: &Api, caller: &Caller) -> Result<Option<Subject>, ApiError> {
        match (self.command_id, self.session_id) {
            (Some(id), None) => api.readers().ask(move |reader| reader.subject(id)).await,
            (None, Some(id)) => {
                let found = api.readers().ask(move |reader| reader.subjects(id)).await?;
                only(found, caller)
            }
            _ => Err(ApiError::Invalid("give either command_id or session_id".to_owned())),
        }
    }

    /// Whether the record says the same.
    fn compare(&self, subject: &Subject) -> Result<(), ApiError> {
        let (said, recorded) = (self.user_confirmed.as_ref(), subject.user_confirmed.as_ref());
        agree("user_confirmed", said, recorded)?;
        let (said, recorded) = (
            self.confirmation_time_ms.as_ref(),
            subject.confirmation_time_ms.as_ref(),
        );
        agree("confirmation_time_ms", said, recorded)
    }
}

/// The only command of a session. Whose it is not is not told that there are several.
fn only(mut commands: Vec<Subject>, caller: &Caller) -> Result<Option<Subject>, ApiError> {
    match commands.as_slice() {
        [first, _, ..] if caller.may_see(&first.user_id) => {
            let why = "the session has several commands: give command_id instead";
            Err(ApiError::Conflict(why.to_owned()))
        }
        [_, _, ..] => Ok(None),
        _ => Ok(commands.pop()),
    }
}

fn agree<T: PartialEq + Serialize>(column: &str, said: Option<&T>, recorded: Option<&T>) -> Result<(), ApiError> {
    if said.is_none() || said == recorded {
        return Ok(());
    }
    let recorded = serde_json::json!(recorded);
    Err(ApiError::Conflict(format!("the record has {column} = {recorded}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> Said {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_opinion_has_a_rating_of_one_to_five() {
        for (json, is_fine) in [
            (r#"{"rating": 1}"#, true),
            (r#"{"rating": 5, "comment": "fine"}"#, true),
            (r#"{"comment": "fine"}"#, false),
            (r#"{"rating": 0}"#, false),
            (r#"{"rating": 6, "user_confirmed": true}"#, false),
            (r#"{"command_id": 1}"#, false),
        ] {
            assert_eq!(said(json).opinion().is_ok(), is_fine, "{json}");
        }
        let long = format!(r#"{{"rating": 3, "comment": "{}"}}"#, "x".repeat(Comment::MAX + 1));
        assert!(said(&long).opinion().is_err());
    }

    #[test]
    fn a_stranger_is_not_told_that_a_session_has_several_commands() {
        let subject = |id| Subject {
            id: CommandId(id),
            user_id: "alice".to_owned(),
            state: CommandState::Held,
            user_confirmed: None,
            confirmation_time_ms: None,
        };
        let caller = |name: &str| Caller {
            user: name.parse().unwrap(),
            token: "abcd2345".parse().unwrap(),
            roles: Vec::new(),
        };
        let several = || vec![subject(1), subject(2)];
        assert!(matches!(only(several(), &caller("bob")), Ok(None)));
        assert!(matches!(only(several(), &caller("alice")), Err(ApiError::Conflict(_))));
        let one = only(vec![subject(1)], &caller("bob"));
        assert_eq!(one.unwrap(), Some(subject(1)), "bob may be whose answer it waits for");
    }

    #[test]
    fn what_is_not_said_agrees_with_anything_and_nothing_else_does() {
        let subject = Subject {
            id: CommandId(1),
            user_id: "alice".to_owned(),
            state: CommandState::Refused,
            user_confirmed: Some(false),
            confirmation_time_ms: Some(2400),
        };
        for (json, agrees) in [
            (r#"{"rating": 3}"#, true),
            (r#"{"user_confirmed": false}"#, true),
            (r#"{"user_confirmed": false, "confirmation_time_ms": 2400}"#, true),
            (r#"{"user_confirmed": true}"#, false),
            (r#"{"confirmation_time_ms": 0}"#, false),
        ] {
            assert_eq!(said(json).compare(&subject).is_ok(), agrees, "{json}");
        }
    }
}
