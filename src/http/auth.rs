//! Who asks, and what for: a token in the head of the request, and the scope that the request needs.

use std::marker::PhantomData;
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use jiff::Timestamp;

use super::api::Api;
use super::error::ApiError;
use super::secret::Shown;
use crate::domain::{Name, Scope};
use crate::store::{Token, TokenId};

/// The role whose users see and do what concerns others.
const ADMIN: &str = "admin";

/// Somebody who has shown a token with the scope that `S` stands for.
pub(super) struct Allowed<S> {
    pub(super) caller: Caller,
    scope: PhantomData<S>,
}

/// The user whom a request is made for.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) user: Name,
    pub(super) token: TokenId,
    pub(super) roles: Vec<Name>,
}

/// Stands for a scope in a handler's signature.
pub(super) trait Needs: Send {
    const SCOPE: Scope;
}

/// Declares a type for each scope.
macro_rules! scopes {
    ($($name:ident),+) => {
        $(
            pub(super) enum $name {}

            impl Needs for $name {
                const SCOPE: Scope = Scope::$name;
            }
        )+
    };
}

scopes!(Ask, Feedback, Read, Export, Train, Metrics);

impl Caller {
    /// Whether what this user did, or everything, may be seen.
    pub(super) fn may_see(&self, user: &str) -> bool {
        self.is_admin() || self.user.as_str() == user
    }

    /// # Errors
    /// This user may do what concerns the user alone.
    pub(super) fn must_be_admin(&self) -> Result<(), ApiError> {
        if self.is_admin() {
            return Ok(());
        }
        let why = format!("this concerns all users, and {} has not the role `{ADMIN}`", self.user);
        Err(ApiError::Forbidden(why))
    }

    fn is_admin(&self) -> bool {
        self.roles.iter().any(|role| role.as_str() == ADMIN)
    }

    /// Whose rows are listed where `asked` are asked for: those alone that the caller may see.
    pub(super) fn listed(&self, asked: Option<Name>) -> Result<Option<Name>, ApiError> {
        match asked {
            None if self.is_admin() => Ok(None),
            None => Ok(Some(self.user.clone())),
            Some(user) if self.may_see(user.as_str()) => Ok(Some(user)),
            Some(_) => self.must_be_admin().map(|()| None),
        }
    }
}

impl<S: Needs> FromRequestParts<Api> for Allowed<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let shown = shown(&parts.headers).ok_or(ApiError::Unauthorized)?;
        let token = api.readers().recognise(shown.id.clone()).await?;
        let known = token.filter(|token| shown.has(&token.digest) && token.is_valid(Timestamp::now()));
        let token = known.ok_or(ApiError::Unauthorized)?;
        let caller = caller(api, &token)?;
        let limit = api.gate().engine().config.http.requests_per_minute;
        let counted = api.limiter().count(&token.id, limit, Instant::now());
        counted.map_err(ApiError::TooMany)?;
        if !token.scopes.contains(&S::SCOPE) {
            return Err(ApiError::Scope(S::SCOPE));
        }
        Ok(Self {
            caller,
            scope: PhantomData,
        })
    }
}

/// The user of a token, where the configuration still has one of that name.
fn caller(api: &Api, token: &Token) -> Result<Caller, ApiError> {
    let engine = api.gate().engine();
    let user = engine.user(&token.user_id).ok_or(ApiError::Unauthorized)?;
    Ok(Caller {
        user: user.name.clone(),
        token: token.id.clone(),
        roles: user.roles.clone(),
    })
}

fn shown(headers: &HeaderMap) -> Option<Shown> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(())?;
    Shown::parse(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn caller(roles: &[&str]) -> Caller {
        Caller {
            user: name("alice"),
            token: "abcd2345".parse().unwrap(),
            roles: roles.iter().map(|role| name(role)).collect(),
        }
    }

    #[test]
    fn who_is_no_admin_lists_their_own_rows_alone() {
        let alice = caller(&["sre", "administrator"]);
        assert_eq!(alice.listed(None).unwrap(), Some(name("alice")));
        assert_eq!(alice.listed(Some(name("alice"))).unwrap(), Some(name("alice")));
        assert!(matches!(alice.listed(Some(name("bob"))), Err(ApiError::Forbidden(_))));
        assert_eq!(caller(&["admin"]).listed(None).unwrap(), None);
        assert_eq!(caller(&["admin"]).listed(Some(name("bob"))).unwrap(), Some(name("bob")));
    }
}
