//! Images of the Characters API, and the pictures of images and agents.
//!
//! A picture depends only on prompt and model. It is drawn when it is first requested, so that `POST`
//! does not wait for it, and a restarted server gives the same bytes for the same URL. The latest
//! pictures are kept in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::Semaphore;

use super::accounts::{AccountSession, AccountState, SessionWriteError, stored};
use super::conversations::{Page, PageRequest};
use super::faults::{AttachedFaults, InjectedError};
use super::item_list::Items;
use crate::domain::catalog::{Image, ModelLookupError};
use crate::domain::conversation::Message;
use crate::domain::error::InternalError;
use crate::domain::{Api, Credits, Role};
use crate::fixtures::FixtureHandle;
use crate::ids::{ConversationId, IdAllocation, IdKind, SdModelId};
use crate::storage::{NewMessages, Storage};

/// The most pictures drawn at once: drawing takes processor time from other requests.
const DRAWN_AT_ONCE: usize = 2;
/// The most pictures kept in memory, about 80 KB each.
const KEPT: usize = 32;

/// The use cases of images and pictures.
#[derive(Debug, Clone)]
pub struct Images {
    storage: Arc<dyn Storage>,
    fixtures: FixtureHandle,
    drawing: Arc<Semaphore>,
    /// Ids and files, the oldest first.
    kept: Arc<Mutex<VecDeque<(String, Bytes)>>>,
}

/// An image to be created.
#[derive(Debug, Clone)]
pub struct NewImage {
    /// Its prompt.
    pub prompt: String,
    /// Its image model.
    pub sd_model: SdModelId,
    /// The conversation to which it is added as a message.
    pub conversation: Option<ConversationId>,
}

/// Why an image was not created or not found.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The request names a model that cannot draw.
    #[error(transparent)]
    ModelLookup(#[from] ModelLookupError),
    /// The account has no such conversation for the image.
    #[error("there is no conversation `{0}`")]
    UnknownConversation(ConversationId),
    /// No account has an image or an agent with this id.
    #[error("there is no picture `{0}`")]
    UnknownPicture(String),
    /// The balance does not cover the cost.
    #[error("insufficient account balance: this costs {cost} credits")]
    InsufficientBalance {
        /// The cost of the image.
        cost: Credits,
    },
    /// A fault of the model was injected.
    #[error(transparent)]
    Injected(#[from] InjectedError),
    /// Nothing was stored.
    #[error(transparent)]
    Write(#[from] SessionWriteError),
    /// The server failed.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

impl Images {
    /// Uses the image models of `fixtures`; stores images in `storage`.
    pub fn new(storage: Arc<dyn Storage>, fixtures: FixtureHandle) -> Self {
        let drawing = Arc::new(Semaphore::new(DRAWN_AT_ONCE));
        Self { storage, fixtures, drawing, kept: Arc::default() }
    }

    /// A page of the account's images, newest first.
    pub async fn list(
        &self,
        account: &AccountState,
        page: PageRequest,
    ) -> Result<Page<Image>, InternalError> {
        let owner = account.row;
        let listed = self.storage.list_images(owner, page.window()).await;
        let (batch, total) = listed.map_err(InternalError::new)?;
        let items = Items::new(&self.storage, batch, move |storage, ordinal| async move {
            storage.image(owner, ordinal).await
        });
        Ok(Page { items, total })
    }

    /// Creates an image, charges for it, and adds it to its conversation.
    pub async fn create(
        &self,
        session: &AccountSession,
        new: NewImage,
    ) -> Result<Image, ImageError> {
        let model = self.fixtures.current().sd_model(&new.sd_model, "sd_model_id")?;
        let attached = AttachedFaults { owner: model.id.as_str(), faults: &model.faults };
        session.apply_attached_fault(attached).await?;
        let cost = model.cost_per_image;
        let conversation = match new.conversation {
            Some(id) => Some(self.conversation_ordinal(session, id).await?),
            None => None,
        };
        let mut ids = session.epoch().ids.allocation();
        let ordinal = ids.next(IdKind::Image);
        let picture = format!("{} {}", new.sd_model, new.prompt);
        let image = Image {
            id: session.epoch().ids.image(ordinal, &picture),
            prompt: new.prompt,
            sd_model: new.sd_model,
            created_at: session.clock.now(),
        };
        let message = conversation.map(|conversation| NewMessages {
            conversation,
            activity: ids.next(IdKind::Activity),
            at: image.created_at,
            messages: vec![image_message(&image, &mut ids)],
        });
        let scope = session.write_scope(&ids);
        let copy = (ordinal, image.clone());
        let outcome = self.storage.create_image(scope, cost, copy, message).await;
        if !stored(outcome, ids)? {
            return Err(ImageError::InsufficientBalance { cost });
        }
        session.trace().set_charge(cost);
        Ok(image)
    }

    /// The ordinal of a conversation. Conversations are removed only when the epoch ends, so it still
    /// exists when a write of the same epoch is stored.
    async fn conversation_ordinal(
        &self,
        account: &AccountState,
        id: ConversationId,
    ) -> Result<u64, ImageError> {
        let api = Api::Characters;
        let extent = self.storage.conversation_extent(account.row, api, id.clone()).await;
        let extent = extent.map_err(InternalError::new)?;
        extent.map(|extent| extent.ordinal).ok_or(ImageError::UnknownConversation(id))
    }

    /// The PNG of the image or the agent `id`, of any account.
    pub async fn picture(&self, id: String) -> Result<Bytes, ImageError> {
        if let Some(png) = self.kept(&id) {
            return Ok(png);
        }
        let found = self.storage.find_picture(id.clone()).await.map_err(InternalError::new)?;
        let Some((prompt, model)) = found else { return Err(ImageError::UnknownPicture(id)) };
        let png = self.draw(prompt, model).await?;
        self.keep(id, &png);
        Ok(png)
    }

    async fn draw(&self, prompt: String, model: SdModelId) -> Result<Bytes, ImageError> {
        let permit = Arc::clone(&self.drawing).acquire_owned().await.map_err(InternalError::new)?;
        let draw = move || {
            // Held until the picture is drawn, also if the client leaves before.
            let _permit = permit;
            placeholder_image::render(&prompt, model.as_str())
        };
        let drawn = tokio::task::spawn_blocking(draw).await.map_err(InternalError::new)?;
        Ok(drawn.map_err(InternalError::new)?.into())
    }

    fn kept(&self, id: &str) -> Option<Bytes> {
        let kept = self.kept.lock();
        kept.iter().find(|(kept_id, _)| kept_id == id).map(|(_, png)| png.clone())
    }

    fn keep(&self, id: String, png: &Bytes) {
        let mut kept = self.kept.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((id, png.clone()));
    }
}

/// The message that shows an image in a conversation, in the latest turn.
fn image_message(image: &Image, ids: &mut IdAllocation<'_>) -> Message {
    Message {
        id: ids.message(),
        role: Role::Assistant,
        parts: Vec::new(),
        image: Some(image.id.clone()),
        created_at: image.created_at,
        aborted: false,
        turn: 0,
    }
}
