//! Pictures of the Characters API: images and avatars of agents.

use super::{agents, images};
use crate::ids::SdModelId;
use crate::storage::StorageError;
use crate::storage::sqlite::Connection;

/// The prompt and the model of the picture `id` of any account.
pub async fn find(
    db: &mut Connection,
    id: String,
) -> Result<Option<(String, SdModelId)>, StorageError> {
    if let Some(image) = images::find_anywhere(db, &id).await? {
        return Ok(Some((image.prompt, image.sd_model)));
    }
    let agent = agents::find_anywhere(db, &id).await?;
    Ok(agent.and_then(|agent| Some((agent.avatar_prompt(), agent.sd_model?))))
}
