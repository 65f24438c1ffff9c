//! Statements that write many rows, and their values.

use std::borrow::Cow;

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe};

use crate::storage::AccountKey;
use crate::storage::sqlite::Connection;
use crate::storage::sqlite::values::to_sql;

/// The most parameters in one text; SQLite allows 32,766.
pub(super) const MOST_PARAMETERS: usize = 32_000;
/// The most rows in one statement, so that no statement exceeds [`MOST_PARAMETERS`].
const MOST_ROWS: usize = 2048;

/// A statement: the text before and after its rows, and the number of columns in a row.
#[derive(Debug)]
pub(in crate::storage::sqlite) struct Statement {
    pub(in crate::storage::sqlite) before: &'static str,
    pub(in crate::storage::sqlite) width: usize,
    pub(in crate::storage::sqlite) after: &'static str,
}

/// A statement and the values of all its rows.
pub(in crate::storage::sqlite) type Filled<'r> = (&'static Statement, Vec<Value<'r>>);

/// `rows` rows of `width` parameters each. The parameters have no numbers: SQLite looks each number up
/// among all before it.
pub(in crate::storage::sqlite) fn values(rows: usize, width: usize) -> String {
    let row = format!("({})", vec!["?"; width].join(", "));
    format!("VALUES {}", vec![row.as_str(); rows].join(", "))
}

/// A value in a row.
#[derive(Debug, Clone)]
pub(in crate::storage::sqlite) enum Value<'r> {
    Null,
    Number(i64),
    Text(Cow<'r, str>),
}

impl<'r> Value<'r> {
    pub(in crate::storage::sqlite) fn text(text: &'r str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(in crate::storage::sqlite) fn owned(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }

    pub(super) fn text_if_any(text: Option<&'r str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }
}

impl From<AccountKey> for Value<'_> {
    fn from(owner: AccountKey) -> Self {
        Self::Number(owner.0)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Number(to_sql(number))
    }
}

/// Statements, and their parameters.
#[derive(Default)]
pub(super) struct Text {
    sql: String,
    parameters: SqliteArguments,
}

impl Text {
    /// The `statements` in their order, in as few texts as possible.
    pub(super) fn of<'r>(
        statements: impl IntoIterator<Item = Filled<'r>>,
    ) -> Result<Vec<Self>, sqlx::Error> {
        let mut texts = vec![Self::default()];
        for (statement, values) in statements {
            let mut values = values.into_iter().peekable();
            while values.peek().is_some() {
                let most = MOST_ROWS * statement.width;
                let chunk: Vec<Value<'_>> = values.by_ref().take(most).collect();
                let count = (chunk.len() / statement.width).next_power_of_two();
                let full =
                    |text: &Self| text.parameters.len() + count * statement.width > MOST_PARAMETERS;
                if texts.last().is_none_or(full) {
                    texts.push(Self::default());
                }
                if let Some(text) = texts.last_mut() {
                    text.push(statement, count, chunk)?;
                }
            }
        }
        Ok(texts)
    }

    /// Puts `texts` into a transaction.
    pub(super) fn in_transaction(texts: &mut [Self]) {
        if let Some(first) = texts.first_mut() {
            first.sql.insert_str(0, "BEGIN IMMEDIATE;");
        }
        if let Some(last) = texts.last_mut() {
            last.sql.push_str("COMMIT");
        }
    }

    /// Adds `statement` with `count` rows, of which `values` are the first.
    fn push(
        &mut self,
        statement: &Statement,
        count: usize,
        values: Vec<Value<'_>>,
    ) -> Result<(), sqlx::Error> {
        self.sql.push_str(statement.before);
        self.sql.push_str(&self::values(count, statement.width));
        self.sql.push_str(statement.after);
        let missing = count * statement.width - values.len();
        let padding = std::iter::repeat_with(|| Value::Null).take(missing);
        for value in values.into_iter().chain(padding) {
            let added = match value {
                Value::Null => self.parameters.add(None::<i64>),
                Value::Number(number) => self.parameters.add(number),
                Value::Text(text) => self.parameters.add(text),
            };
            added.map_err(sqlx::Error::Encode)?;
        }
        Ok(())
    }

    pub(super) async fn execute(self, db: &mut Connection) -> Result<(), sqlx::Error> {
        if self.sql.is_empty() {
            return Ok(());
        }
        sqlx::query_with(AssertSqlSafe(self.sql), self.parameters).execute(db).await.map(drop)
    }
}
