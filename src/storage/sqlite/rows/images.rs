//! Images.

use super::statement::{Filled, Statement, Value};
use crate::domain::catalog::Image;
use crate::storage::AccountKey;

const IMAGES: Statement = Statement {
    before: "INSERT INTO images (account, ordinal, id, prompt, sd_model, created_at)
             SELECT * FROM (",
    width: 6,
    after: ") v WHERE v.column1 IS NOT NULL;",
};

/// New images.
#[derive(Default)]
pub(in crate::storage::sqlite) struct ImageRows<'r>(Vec<Value<'r>>);

impl<'r> ImageRows<'r> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(in crate::storage::sqlite) fn add(
        &mut self,
        owner: AccountKey,
        ordinal: u64,
        image: &'r Image,
    ) {
        self.0.extend([
            owner.into(),
            ordinal.into(),
            Value::text(image.id.as_str()),
            Value::text(&image.prompt),
            Value::text(image.sd_model.as_str()),
            image.created_at.timestamp_micros().into(),
        ]);
    }

    pub(super) fn filled(self) -> Filled<'r> {
        (&IMAGES, self.0)
    }
}
