//! Tokens of the HTTP API: whose they are, what for and until when. Only the digest of a token's secret is ever here.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::sql::{optional_word, rfc3339, word};
use super::{Change, Reader, Store, StoreError, question};
use crate::domain::{Name, Scope};

/// Characters of an id.
const ID_LENGTH: usize = 8;

/// What people call a token by: eight lower-case letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String")]
pub struct TokenId(String);

/// A string that is not a [`TokenId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no token's id, which has {ID_LENGTH} lower-case letters and digits; `opspilot token list` has them")]
pub struct TokenIdError;

impl FromStr for TokenId {
    type Err = TokenIdError;

    fn from_str(text: &str) -> Result<Self, TokenIdError> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if text.len() == ID_LENGTH && text.bytes().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TokenIdError)
        }
    }
}

impl TryFrom<String> for TokenId {
    type Error = TokenIdError;

    fn try_from(text: String) -> Result<Self, TokenIdError> {
        text.parse()
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What somebody wants a token to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenGrant {
    /// Its id, never given before.
    pub id: TokenId,
    /// Whose it is: what it may do is what this user may do.
    pub user: Name,
    /// What it may be used for; not empty.
    pub scopes: Vec<Scope>,
    /// The SHA-256 of its secret.
    #[serde(with = "hexadecimal")]
    pub digest: [u8; 32],
    /// What it is for, in somebody's words.
    pub comment: Option<String>,
    /// From when on it is not valid any longer.
    pub expires_at: Timestamp,
}

/// A token that is about to be valid.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewToken {
    /// What it is.
    pub grant: TokenGrant,
    /// When it was added.
    pub added_at: Timestamp,
    /// Who added it.
    pub added_by: String,
}

/// The end of a token before its time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Revocation {
    /// Which.
    pub id: TokenId,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: String,
}

/// A token on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Whose it is.
    pub user_id: Name,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// The SHA-256 of its secret.
    #[serde(skip)]
    pub digest: [u8; 32],
    /// What it is for.
    pub comment: Option<String>,
    /// When it was added.
    pub added_at: Timestamp,
    /// Who added it.
    pub added_by: String,
    /// From when on it is not valid any longer.
    pub expires_at: Timestamp,
    /// When it was revoked; `None` where it was not.
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    /// Whether it may be used at that time.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

impl Store {
    /// Makes a token valid. Durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] where the id was given before, and as [`Store::record`].
    pub async fn add_token(&self, token: NewToken) -> Result<(), StoreError> {
        self.write(Change::TokenAdded(Box::new(token))).await
    }

    /// Ends a token before its time. Whoever shows it from now on is refused.
    ///
    /// # Errors
    /// [`StoreError::NoToken`], and as [`Store::record`].
    pub async fn revoke_token(&self, revocation: Revocation) -> Result<(), StoreError> {
        self.write(Change::TokenRevoked(revocation)).await
    }
}

impl Reader {
    /// A token, valid or not; `None` where there never was one with this id.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn token(&self, id: &TokenId) -> Result<Option<Token>, StoreError> {
        Ok(self.rows(question::TOKEN, [&id.0], token)?.pop())
    }

    /// All tokens there ever were, those that were added last first.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.rows(question::TOKENS, [], token)
    }
}

fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: TokenId(row.get(0)?),
        user_id: word(row, 1)?,
        scopes: scopes(row, 2)?,
        digest: row.get(3)?,
        comment: row.get(4)?,
        added_at: word(row, 5)?,
        added_by: row.get(6)?,
        expires_at: word(row, 7)?,
        revoked_at: optional_word(row, 8)?,
    })
}

fn scopes(row: &Row<'_>, index: usize) -> rusqlite::Result<Vec<Scope>> {
    let json: String = row.get(index)?;
    serde_json::from_str(&json)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error)))
}

/// A token as a row.
pub(super) fn add(connection: &Connection, token: &NewToken) -> Result<(), StoreError> {
    let grant = &token.grant;
    connection
        .prepare_cached(
            "INSERT INTO api_tokens (id, user_id, scopes, digest, comment, added_at, added_by, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            grant.id.0,
            grant.user.as_str(),
            serde_json::to_string(&grant.scopes)?,
            grant.digest,
            grant.comment,
            rfc3339(token.added_at),
            token.added_by,
            rfc3339(grant.expires_at),
        ])?;
    Ok(())
}

/// The end of a token in its row.
pub(super) fn revoke(connection: &Connection, revocation: &Revocation) -> Result<(), StoreError> {
    let revoked = connection
        .prepare_cached("UPDATE api_tokens SET revoked_at = ?2, revoked_by = ?3 WHERE id = ?1 AND revoked_at IS NULL")?
        .execute(params![revocation.id.0, rfc3339(revocation.at), revocation.by])?;
    if revoked == 1 {
        Ok(())
    } else {
        Err(StoreError::NoToken(revocation.id.clone()))
    }
}

/// A digest as text.
mod hexadecimal {
    use data_encoding::HEXLOWER;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(digest))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).ok();
        let digest = bytes.and_then(|bytes| bytes.try_into().ok());
        digest.ok_or_else(|| D::Error::custom("a digest has 64 hexadecimal digits"))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::fixtures::{Fixture, name};
    use super::super::tests::ChainState;
    use super::*;

    pub(crate) fn new_token(id: &str) -> NewToken {
        NewToken {
            grant: TokenGrant {
                id: id.parse().unwrap(),
                user: name("alice"),
                scopes: vec![Scope::Ask, Scope::Read],
                digest: [7; 32],
                comment: Some("laptop".to_owned()),
                expires_at: "2026-12-22T13:00:00Z".parse().unwrap(),
            },
            added_at: "2026-11-22T13:00:00Z".parse().unwrap(),
            added_by: "uid:0".to_owned(),
        }
    }

    pub(crate) fn revocation(id: &str) -> Revocation {
        Revocation {
            id: id.parse().unwrap(),
            at: "2026-11-23T13:00:00Z".parse().unwrap(),
            by: "uid:0".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_token_is_valid_until_it_expires_or_is_revoked() {
        let fixture = Fixture::new().await;
        fixture.store.add_token(new_token("abcd2345")).await.unwrap();
        let reader = fixture.store.reader().unwrap();
        let id = "abcd2345".parse().unwrap();
        let token = reader.token(&id).unwrap().unwrap();
        assert_eq!(
            (token.user_id.as_str(), token.scopes.as_slice()),
            ("alice", &[Scope::Ask, Scope::Read][..])
        );
        assert_eq!(token.digest, [7; 32]);
        assert!(token.is_valid("2026-12-22T12:59:59Z".parse().unwrap()));
        assert!(!token.is_valid("2026-12-22T13:00:00Z".parse().unwrap()));

        fixture.store.revoke_token(revocation("abcd2345")).await.unwrap();
        let token = reader.token(&id).unwrap().unwrap();
        assert!(!token.is_valid("2026-11-23T13:00:01Z".parse().unwrap()));
        assert!(reader.token(&"zzzz2345".parse().unwrap()).unwrap().is_none());
    }

    #[tokio::test]
    async fn a_token_is_revoked_once_and_its_id_is_never_given_again() {
        let fixture = Fixture::new().await;
        let store = &fixture.store;
        let none = store.revoke_token(revocation("abcd2345")).await;
        assert!(matches!(none, Err(StoreError::NoToken(_))), "{none:?}");
        store.add_token(new_token("abcd2345")).await.unwrap();
        store.revoke_token(revocation("abcd2345")).await.unwrap();
        let twice = store.revoke_token(revocation("abcd2345")).await;
        assert!(matches!(twice, Err(StoreError::NoToken(_))), "{twice:?}");
        let again = store.add_token(new_token("abcd2345")).await;
        assert!(matches!(again, Err(StoreError::Rejected(_))), "{again:?}");
        assert_eq!(store.reader().unwrap().tokens().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn each_change_is_an_event_of_the_chain() {
        let fixture = Fixture::new().await;
        fixture.store.add_token(new_token("abcd2345")).await.unwrap();
        fixture.store.revoke_token(revocation("abcd2345")).await.unwrap();
        let reader = fixture.store.reader().unwrap();
        let kinds: Vec<String> = {
            let mut statement = reader
                .connection
                .prepare("SELECT kind FROM events ORDER BY seq")
                .unwrap();
            let kinds = statement.query_map([], |row| row.get(0)).unwrap();
            kinds.collect::<Result<_, _>>().unwrap()
        };
        assert_eq!(kinds, ["session_began", "head_signed", "token_added", "token_revoked"]);
        assert!(matches!(reader.verify_chain().unwrap(), ChainState::Sound { .. }));
    }

    #[test]
    fn what_is_granted_is_read_as_it_was_written_and_nothing_else_is() {
        let grant = new_token("abcd2345").grant;
        let written = serde_json::to_value(&grant).unwrap();
        assert_eq!(written["digest"], "07".repeat(32));
        assert_eq!(serde_json::from_value::<TokenGrant>(written.clone()).unwrap(), grant);
        for (key, bad) in [
            ("id", "../../.."),
            ("digest", "07"),
            ("digest", "no"),
            ("user", "a b"),
            ("only_from", "127.0.0.1"),
        ] {
            let mut changed = written.clone();
            changed[key] = bad.into();
            assert!(serde_json::from_value::<TokenGrant>(changed).is_err(), "{key} = {bad}");
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for bad in [
            "",
            "abcd234",
            "abcd23456",
            "ABCD2345",
            "../../..",
            "abcd 345",
            "абвгдежз",
        ] {
            assert_eq!(bad.parse::<TokenId>(), Err(TokenIdError), "{bad:?}");
        }
    }
}
