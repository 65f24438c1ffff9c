//! Pages of Runner conversations, by the query that reads the fewest rows.

use std::fmt::Write as _;

use sqlx::AssertSqlSafe;

use serde_json::value::RawValue;

use super::rows::{listed, texts};
use super::run_summary;
use crate::ids::DeploymentId;
use crate::storage::sqlite::Connection;
use crate::storage::sqlite::values::{from_micros, inconsistent, to_sql};
use crate::storage::{AccountKey, ConversationFilter, Listed, PageWindow, StorageError, Summary};

#[derive(sqlx::FromRow)]
struct SummaryRow {
    ordinal: u64,
    id: String,
    name: String,
    meta: String,
    created_at: i64,
    updated_at: i64,
    message_count: u64,
    run: Option<String>,
    completed_at: Option<i64>,
    long: i64,
}

impl SummaryRow {
    fn into_listed(self) -> Result<Listed<Summary>, StorageError> {
        let wrong = |column| inconsistent("conversations", column, &self.id);
        let meta = if self.long == 0 { self.meta } else { "{}".to_owned() };
        let completed_at = |micros| from_micros(micros).ok_or_else(|| wrong("completed_at"));
        let summary = Summary {
            meta: RawValue::from_string(meta).map_err(|_| wrong("meta"))?,
            created_at: from_micros(self.created_at).ok_or_else(|| wrong("created_at"))?,
            updated_at: from_micros(self.updated_at).ok_or_else(|| wrong("updated_at"))?,
            message_count: self.message_count,
            run: run_summary::summary(self.run.as_deref(), self.ordinal)?,
            completed_at: self.completed_at.map(completed_at).transpose()?,
            id: self.id.into(),
            name: self.name,
        };
        Ok(listed(self.ordinal, self.long, summary))
    }
}

/// The columns of a conversation, in a query where `conversations` is called `c`.
fn columns(batch: bool) -> String {
    let texts = texts(&["c.name", "c.meta"], batch);
    format!(
        "c.ordinal, c.id, {texts}, c.created_at, c.updated_at, c.message_count, c.completed_at,
         {} AS run",
        run_summary::SUMMARY
    )
}

/// The owner's conversation `ordinal`, with long texts.
pub async fn one(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
) -> Result<Summary, StorageError> {
    let columns = columns(false);
    let sql =
        format!("SELECT {columns} FROM conversations c WHERE c.account = $1 AND c.ordinal = $2");
    let row: SummaryRow = sqlx::query_as(AssertSqlSafe(sql))
        .bind(owner.0)
        .bind(to_sql(ordinal))
        .fetch_one(db)
        .await?;
    row.into_listed()?.item.ok_or(StorageError::NotFound)
}

/// One page of the owner's Runner conversations, the newest activity first and without long texts, and
/// how many there are.
pub async fn conversations(
    db: &mut Connection,
    owner: AccountKey,
    filter: ConversationFilter,
    window: PageWindow,
) -> Result<(Vec<Listed<Summary>>, u64), StorageError> {
    let filter = &filter;
    let plan = ListPlan::choose(db, owner, filter, window).await?;
    let total = plan.total(db, owner, filter).await?;
    if window.skip >= total {
        return Ok((Vec::new(), total));
    }
    let parameters = 1 + filter_texts(filter).count();
    let sql = format!(
        "SELECT {} FROM {} ORDER BY c.updated_at DESC, c.activity DESC \
         LIMIT ${} OFFSET ${}",
        columns(true),
        plan.source(filter),
        parameters + 1,
        parameters + 2,
    );
    let mut query = sqlx::query_as::<_, SummaryRow>(AssertSqlSafe(sql)).bind(owner.0);
    for text in filter_texts(filter) {
        query = query.bind(text);
    }
    query = query.bind(to_sql(window.take)).bind(to_sql(window.skip));
    let rows = query.fetch_all(db).await?;
    let items = rows.into_iter().map(SummaryRow::into_listed).collect::<Result<_, _>>()?;
    Ok((items, total))
}

/// How a list is queried. The tallies give the number of rows that each way would read.
enum ListPlan {
    /// Scan the index of activity until the page is full: for conditions that many rows meet.
    Scan { total_if_known: Option<u64> },
    /// Collect the conversations with the rarest label, then sort: for conditions that few rows meet.
    Collect { rarest: usize, total_if_known: Option<u64> },
}

impl ListPlan {
    async fn choose(
        db: &mut Connection,
        owner: AccountKey,
        filter: &ConversationFilter,
        window: PageWindow,
    ) -> Result<Self, StorageError> {
        let all = match &filter.deployment {
            Some(id) => tallied(db, owner, "deployment", id.as_str(), "").await?,
            None => tallied(db, owner, "all", "", "").await?,
        };
        let mut rarest: Option<(usize, u64)> = None;
        for (index, (name, value)) in filter.meta.iter().enumerate() {
            let total = tallied(db, owner, "meta", name, value).await?;
            if rarest.is_none_or(|(_, least)| total < least) {
                rarest = Some((index, total));
            }
        }
        let Some((rarest, matching)) = rarest else {
            return Ok(Self::Scan { total_if_known: Some(all) });
        };
        // A tally is the total only if it covers the whole condition.
        let alone = filter.meta.len() == 1 && filter.deployment.is_none();
        let total_if_known = (alone || matching == 0).then_some(matching);
        let page_end = window.skip.saturating_add(window.take);
        let rows_scanned = page_end.saturating_mul(all) / matching.max(1);
        Ok(if matching <= rows_scanned {
            Self::Collect { rarest, total_if_known }
        } else {
            Self::Scan { total_if_known }
        })
    }

    async fn total(
        &self,
        db: &mut Connection,
        owner: AccountKey,
        filter: &ConversationFilter,
    ) -> Result<u64, StorageError> {
        let (Self::Scan { total_if_known } | Self::Collect { total_if_known, .. }) = self;
        if let Some(total) = total_if_known {
            return Ok(*total);
        }
        let sql = format!("SELECT COUNT(*) FROM {}", self.source(filter));
        let mut query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(owner.0);
        for text in filter_texts(filter) {
            query = query.bind(text);
        }
        Ok(query.fetch_one(db).await?)
    }

    /// The `FROM … WHERE …` of the list. Only parameters come from outside: `$1` is the owner,
    /// `$2` the deployment where there is one, then name and value of each label in turn.
    fn source(&self, filter: &ConversationFilter) -> String {
        let first_label = if filter.deployment.is_some() { 3 } else { 2 };
        let label = |index: usize| {
            let name = first_label + 2 * index;
            format!("name = ${name} AND m{index}.value = ${}", name + 1)
        };
        let (mut sql, collected) = match self {
            Self::Scan { .. } => {
                ("conversations c WHERE c.account = $1 AND c.api = 'runner'".to_owned(), None)
            }
            Self::Collect { rarest, .. } => (
                // CROSS JOIN makes SQLite use this order: labels first.
                format!(
                    "conversation_meta m{rarest} CROSS JOIN conversations c
                     ON c.account = m{rarest}.account AND c.ordinal = m{rarest}.conversation
                     WHERE m{rarest}.account = $1 AND m{rarest}.{}",
                    label(*rarest)
                ),
                Some(*rarest),
            ),
        };
        if filter.deployment.is_some() {
            sql.push_str(" AND c.target = $2");
        }
        for index in (0..filter.meta.len()).filter(|index| Some(*index) != collected) {
            let _ = write!(
                sql,
                " AND EXISTS (SELECT 1 FROM conversation_meta m{index}
                              WHERE m{index}.account = $1 AND m{index}.{}
                              AND m{index}.conversation = c.ordinal)",
                label(index)
            );
        }
        sql
    }
}

fn filter_texts(filter: &ConversationFilter) -> impl Iterator<Item = &str> {
    let deployment = filter.deployment.iter().map(DeploymentId::as_str);
    deployment.chain(filter.meta.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]))
}

async fn tallied(
    db: &mut Connection,
    owner: AccountKey,
    scope: &str,
    name: &str,
    value: &str,
) -> Result<u64, StorageError> {
    let total: Option<u64> = sqlx::query_scalar(
        "SELECT total FROM conversation_tallies
         WHERE account = $1 AND scope = $2 AND name = $3 AND value = $4",
    )
    .bind(owner.0)
    .bind(scope)
    .bind(name)
    .bind(value)
    .fetch_optional(db)
    .await?;
    Ok(total.unwrap_or(0))
}
