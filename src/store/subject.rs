//! What must be known of a command to say something of it.

use rusqlite::Row;

use super::sql::word;
use super::{Reader, StoreError, question};
use crate::domain::{CommandId, SessionId, State};

/// A command that something is said of. Fields are columns of `command_executions`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "columns, described in ARCHITECTURE.md")]
pub struct Subject {
    pub id: CommandId,
    pub user_id: String,
    pub state: State,
    pub user_confirmed: Option<bool>,
    pub confirmation_time_ms: Option<u64>,
}

impl Reader {
    /// A command; `None` where there is no such command.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn subject(&self, id: CommandId) -> Result<Option<Subject>, StoreError> {
        Ok(self.rows(question::SUBJECT, [id.0], subject)?.pop())
    }

    /// The first two commands of a session: enough to tell whether it stands for one.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn subjects(&self, session: SessionId) -> Result<Vec<Subject>, StoreError> {
        self.rows(question::SUBJECTS, [session.to_string()], subject)
    }
}

fn subject(row: &Row<'_>) -> rusqlite::Result<Subject> {
    Ok(Subject {
        id: CommandId(row.get(0)?),
        user_id: row.get(1)?,
        state: word(row, 2)?,
        user_confirmed: row.get(3)?,
        confirmation_time_ms: row.get::<_, Option<i64>>(4)?.map(i64::unsigned_abs),
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{Fixture, confirmed};
    use super::*;

    #[tokio::test]
    async fn a_session_stands_for_its_command_as_long_as_it_has_one() {
        let fixture = Fixture::new().await;
        let reader = fixture.store.reader().unwrap();
        assert_eq!(reader.subjects(fixture.session).unwrap(), []);
        let id = fixture.store.record(fixture.held("rm x")).await.unwrap();
        assert_eq!(reader.subject(id).unwrap().unwrap().state, State::Held);
        fixture.store.resolve(id, confirmed()).await.unwrap();
        let expected = Subject {
            id,
            user_id: "alice".to_owned(),
            state: State::Running,
            user_confirmed: Some(true),
            confirmation_time_ms: Some(2400),
        };
        assert_eq!(reader.subjects(fixture.session).unwrap(), [expected]);
        fixture.store.record(fixture.running("ls")).await.unwrap();
        assert_eq!(reader.subjects(fixture.session).unwrap().len(), 2);
        assert_eq!(reader.subject(CommandId(99)).unwrap(), None);
    }
}
