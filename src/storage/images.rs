//! Images of the Characters API.

use chrono::DateTime;
use sqlx::{AssertSqlSafe, QueryBuilder};

use super::from_sql;
use super::rows::Listed;
use super::rows::texts;
use super::to_sql;
use super::{AccountKey, Connection, PageWindow, StoreError};
use crate::domain::catalog::Image;

/// Images in one statement: SQLite takes 32,766 parameters, a row has six.
const IMAGES_A_STATEMENT: usize = 500;

/// Stores images, each with its ordinal: how many its account has made with it.
pub async fn insert(
    db: &mut Connection,
    owner: AccountKey,
    images: &[(u64, Image)],
) -> Result<(), StoreError> {
    for images in images.chunks(IMAGES_A_STATEMENT) {
        let mut insert = QueryBuilder::new(
            "INSERT INTO images (account, ordinal, id, prompt, sd_model, created_at) ",
        );
        insert.push_values(images, |mut row, (ordinal, image)| {
            row.push_bind(owner.0)
                .push_bind(to_sql(*ordinal))
                .push_bind(image.id.as_str())
                .push_bind(&image.prompt)
                .push_bind(image.sd_model.as_str())
                .push_bind(image.created_at.timestamp());
        });
        insert.build().execute(&mut *db).await?;
    }
    Ok(())
}

/// One page of the owner's images, newest first and without long texts, and how many there are.
pub async fn list(
    db: &mut Connection,
    owner: AccountKey,
    window: PageWindow,
) -> Result<(Vec<Listed<Image>>, u64), StoreError> {
    let total: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM images WHERE account = $1")
        .bind(owner.0)
        .fetch_one(&mut *db)
        .await?;
    let sql = format!(
        "SELECT i.ordinal, i.id, {}, i.sd_model, i.created_at FROM images i WHERE i.account = $1
         ORDER BY i.created_at DESC, i.ordinal DESC LIMIT $2 OFFSET $3",
        texts(&["i.prompt"], true)
    );
    let rows: Vec<ImageRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(owner.0)
        .bind(to_sql(window.take))
        .bind(to_sql(window.skip))
        .fetch_all(db)
        .await?;
    let listed = |row: ImageRow| {
        let (ordinal, long) = (row.ordinal, row.long);
        Ok(Listed::new(ordinal, long, row.into_domain()?))
    };
    let images = rows.into_iter().map(listed).collect::<Result<_, StoreError>>()?;
    Ok((images, from_sql(total)))
}

/// The owner's image of ordinal `ordinal`.
pub async fn one(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
) -> Result<Image, StoreError> {
    let row: ImageRow = sqlx::query_as(
        "SELECT id, prompt, sd_model, created_at FROM images WHERE account = $1 AND ordinal = $2",
    )
    .bind(owner.0)
    .bind(to_sql(ordinal))
    .fetch_one(db)
    .await?;
    row.into_domain()
}

/// All of the owner's images, each with its ordinal, in the order of their making.
pub async fn all_with_ordinals(
    db: &mut Connection,
    owner: AccountKey,
) -> Result<Vec<(u64, Image)>, StoreError> {
    let ordinals: Vec<i64> =
        sqlx::query_scalar("SELECT ordinal FROM images WHERE account = $1 ORDER BY ordinal")
            .bind(owner.0)
            .fetch_all(&mut *db)
            .await?;
    let rows: Vec<ImageRow> = sqlx::query_as(
        "SELECT id, prompt, sd_model, created_at FROM images WHERE account = $1 ORDER BY ordinal",
    )
    .bind(owner.0)
    .fetch_all(db)
    .await?;
    let images = rows.into_iter().map(ImageRow::into_domain).collect::<Result<Vec<_>, _>>()?;
    Ok(ordinals.into_iter().map(from_sql).zip(images).collect())
}

/// Anyone's image `id`: pictures are shown without a key.
pub async fn find_anywhere(db: &mut Connection, id: &str) -> Result<Option<Image>, StoreError> {
    let row: Option<ImageRow> = sqlx::query_as(
        "SELECT id, prompt, sd_model, created_at FROM images WHERE id = $1
         ORDER BY account LIMIT 1",
    )
    .bind(id)
    .fetch_optional(db)
    .await?;
    row.map(ImageRow::into_domain).transpose()
}

/// A row of `images`.
#[derive(sqlx::FromRow)]
struct ImageRow {
    /// Selected for lists alone.
    #[sqlx(default)]
    ordinal: i64,
    /// The prompt is left out.
    #[sqlx(default)]
    long: i64,
    id: String,
    prompt: String,
    sd_model: String,
    created_at: i64,
}

impl ImageRow {
    fn into_domain(self) -> Result<Image, StoreError> {
        let created_at = DateTime::from_timestamp(self.created_at, 0).ok_or_else(|| {
            let id = self.id.clone();
            StoreError::Inconsistent { table: "images", column: "created_at", id }
        })?;
        Ok(Image {
            id: self.id.into(),
            prompt: self.prompt,
            sd_model: self.sd_model.into(),
            created_at,
        })
    }
}
