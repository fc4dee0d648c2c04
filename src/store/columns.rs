//! What columns of the record hold where that is neither a text nor a number.

/// How a column is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As it is.
    Plain,
    /// As JSON; the table admits nothing else.
    Json,
    /// As a truth value.
    Boolean,
}

impl Kind {
    /// The kind of the column of this name.
    pub(super) fn of(column: &str) -> Self {
        match column {
            "aliases"
            | "channel_info"
            | "features"
            | "host_info"
            | "impact_evidence"
            | "pipe_status"
            | "ratings"
            | "reasons"
            | "system_context"
            | "system_context_after" => Self::Json,
            "execution_success" | "user_confirmed" => Self::Boolean,
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::Fixture;
    use super::super::tests::{outsider, text};
    use super::*;

    #[tokio::test]
    async fn the_kinds_are_those_that_the_table_checks() {
        let fixture = Fixture::new().await;
        let table = outsider(&fixture);
        let schema = text(
            &table,
            "SELECT sql FROM sqlite_schema WHERE name = 'command_executions'",
        );
        let names = text(
            &table,
            "SELECT group_concat(name) FROM pragma_table_info('command_executions')",
        );
        for name in names.split(',') {
            let checked = if schema.contains(&format!("json_valid({name})")) {
                Kind::Json
            } else if schema.contains(&format!("{name} IN (0, 1)")) {
                Kind::Boolean
            } else {
                Kind::Plain
            };
            assert_eq!(Kind::of(name), checked, "{name}");
        }
    }
}
