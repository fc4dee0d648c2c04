//! Who wants to go where, as the SSH user name says it.

use crate::domain::{Name, NameError, printable_line};

/// What an SSH user name asks for: `USER`, `USER@TARGET` or `USER@LOGIN@TARGET`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// Who is connecting.
    pub user: Name,
    /// Where to; `None` for the console.
    pub destination: Option<Destination>,
}

/// A target, and the login asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    /// The login; `None` for the target's own.
    pub login: Option<String>,
    /// The target's name.
    pub target: Name,
}

/// A user name that asks for nothing that can be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RouteError {
    /// The part before the first separator or behind the last one is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The login between them is not one that a target could have.
    #[error("`{}` is not a login", printable_line(.0))]
    Login(String),
}

impl Route {
    /// Reads an SSH user name. If it has an `@`, that is the separator; otherwise `+`, or the space that URIs make of it.
    pub(super) fn parse(text: &str) -> Result<Self, RouteError> {
        let separator = ['@', '+', ' '].into_iter().find(|separator| text.contains(*separator));
        let Some((user, rest)) = separator.and_then(|separator| text.split_once(separator)) else {
            return Ok(Self {
                user: text.parse()?,
                destination: None,
            });
        };
        let (login, target) = match separator.and_then(|separator| rest.rsplit_once(separator)) {
            Some((login, target)) => (Some(parse_login(login)?), target),
            None => (None, rest),
        };
        Ok(Self {
            user: user.parse()?,
            destination: Some(Destination {
                login,
                target: target.parse()?,
            }),
        })
    }
}

/// Logins may hold `@` (directory services) and `\`, but nothing that is not seen.
pub(super) fn parse_login(text: &str) -> Result<String, RouteError> {
    let well_formed =
        (1..=128).contains(&text.len()) && text.chars().all(|c| c.is_alphanumeric() || "@\\._+-$".contains(c));
    if well_formed {
        Ok(text.to_owned())
    } else {
        Err(RouteError::Login(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Option<String>, Option<String>) {
        let route = Route::parse(text).unwrap();
        let (login, target) = match route.destination {
            Some(destination) => (destination.login, Some(destination.target.to_string())),
            None => (None, None),
        };
        (route.user.to_string(), login, target)
    }

    fn expected(user: &str, login: Option<&str>, target: Option<&str>) -> (String, Option<String>, Option<String>) {
        (user.to_owned(), login.map(str::to_owned), target.map(str::to_owned))
    }

    #[test]
    fn reads_user_login_and_target() {
        for (text, user, login, target) in [
            ("alice", "alice", None, None),
            ("alice@web-1", "alice", None, Some("web-1")),
            ("alice@root@web-1", "alice", Some("root"), Some("web-1")),
            (
                "alice@bob@corp.example@web-1",
                "alice",
                Some("bob@corp.example"),
                Some("web-1"),
            ),
            ("alice+web-1", "alice", None, Some("web-1")),
            ("alice+root+web-1", "alice", Some("root"), Some("web-1")),
            ("alice web-1", "alice", None, Some("web-1")),
            ("alice@a+b@web-1", "alice", Some("a+b"), Some("web-1")),
        ] {
            assert_eq!(parsed(text), expected(user, login, target), "{text}");
        }
    }

    #[test]
    fn refuses_what_could_be_taken_for_something_else() {
        for text in [
            "",
            "@web-1",
            "alice@",
            "alice@@web-1",
            "alice@-oProxyCommand=x",
            "alice@web-1:22",
            "al\u{1b}ice",
            "a@b\n@c",
        ] {
            assert!(Route::parse(text).is_err(), "{text:?}");
        }
    }
}
