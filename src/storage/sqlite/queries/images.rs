//! Images of the Characters API.

use sqlx::AssertSqlSafe;

use super::rows::{listed, texts};
use crate::domain::catalog::Image;
use crate::storage::sqlite::Connection;
use crate::storage::sqlite::values::{from_micros, inconsistent, to_sql};
use crate::storage::{AccountKey, Listed, PageWindow, StorageError};

/// The columns of an image; a `batch` leaves long prompts out.
fn columns(batch: bool) -> String {
    format!("i.ordinal, i.id, {}, i.sd_model, i.created_at", texts(&["i.prompt"], batch))
}

/// One page of the account's images, newest first and without long prompts, and how many there are.
pub async fn list(
    db: &mut Connection,
    owner: AccountKey,
    window: PageWindow,
) -> Result<(Vec<Listed<Image>>, u64), StorageError> {
    let total: u64 = sqlx::query_scalar("SELECT COUNT(*) FROM images WHERE account = $1")
        .bind(owner.0)
        .fetch_one(&mut *db)
        .await?;
    let sql = format!(
        "SELECT {} FROM images i WHERE i.account = $1
         ORDER BY i.created_at DESC, i.ordinal DESC LIMIT $2 OFFSET $3",
        columns(true)
    );
    let rows: Vec<ImageRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(owner.0)
        .bind(to_sql(window.take))
        .bind(to_sql(window.skip))
        .fetch_all(db)
        .await?;
    let listed = |row: ImageRow| Ok(listed(row.ordinal, row.long, row.into_domain()?));
    let images = rows.into_iter().map(listed).collect::<Result<_, StorageError>>()?;
    Ok((images, total))
}

/// The image of ordinal `ordinal`.
pub async fn one(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
) -> Result<Image, StorageError> {
    let sql =
        format!("SELECT {} FROM images i WHERE i.account = $1 AND i.ordinal = $2", columns(false));
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(owner.0).bind(to_sql(ordinal));
    ImageRow::into_domain(query.fetch_one(db).await?)
}

/// All of the account's images with their ordinals, in the order of their creation.
pub async fn all(
    db: &mut Connection,
    owner: AccountKey,
) -> Result<Vec<(u64, Image)>, StorageError> {
    let sql =
        format!("SELECT {} FROM images i WHERE i.account = $1 ORDER BY i.ordinal", columns(false));
    let rows: Vec<ImageRow> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(owner.0).fetch_all(db).await?;
    rows.into_iter().map(|row| Ok((row.ordinal, row.into_domain()?))).collect()
}

/// The image `id` of any account: pictures are shown without a key.
pub async fn find_anywhere(db: &mut Connection, id: &str) -> Result<Option<Image>, StorageError> {
    let sql = format!(
        "SELECT {} FROM images i WHERE i.id = $1 ORDER BY i.account LIMIT 1",
        columns(false)
    );
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(id);
    query.fetch_optional(db).await?.map(ImageRow::into_domain).transpose()
}

/// A row of `images`.
#[derive(sqlx::FromRow)]
struct ImageRow {
    ordinal: u64,
    /// 1 if the prompt is left out.
    long: i64,
    id: String,
    prompt: String,
    sd_model: String,
    created_at: i64,
}

impl ImageRow {
    fn into_domain(self) -> Result<Image, StorageError> {
        let wrong = || inconsistent("images", "created_at", &self.id);
        let created_at = from_micros(self.created_at).ok_or_else(wrong)?;
        Ok(Image {
            id: self.id.into(),
            prompt: self.prompt,
            sd_model: self.sd_model.into(),
            created_at,
        })
    }
}
