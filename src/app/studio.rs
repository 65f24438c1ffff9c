//! Agents, images and the pictures of both (characters.txt, agents and images).
//!
//! A picture is a pure function of prompt and model, so it is drawn when it is first asked for,
//! off the async runtime, and the latest ones are kept in memory: the answer to a POST waits for
//! no drawing, and after a restart the same URL gives the same bytes.

mod error;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

pub use self::error::AgentsAndImagesError;
use super::accounts::{AccountSession, AccountState, stored};
use super::conversations::{Page, PageRequest};
use super::faults::AttachedFaults;
use super::item_list::Items;
use crate::domain::catalog::{Agent, Image, avatar_prompt};
use crate::domain::conversation::Message;
use crate::domain::error::InternalError;
use crate::domain::{Api, Role};
use crate::fixtures::FixtureHandle;
use crate::ids::{AgentId, ConversationId, IdAllocation, IdKind, SdModelId};
use crate::storage::{NewMessages, Storage};

/// Pictures drawn at once: drawing is processor time, and requests need some too.
const DRAWING_AT_ONCE: usize = 2;
/// Pictures kept in memory, about 80 KB each.
const KEPT: usize = 32;

/// Makes agents, images and their pictures.
#[derive(Debug, Clone)]
pub struct AgentsAndImages {
    storage: Arc<dyn Storage>,
    fixtures: FixtureHandle,
    drawing: Arc<Semaphore>,
    kept: Arc<Mutex<VecDeque<(String, Bytes)>>>,
}

/// An agent to be made.
#[derive(Debug, Clone)]
pub struct NewAgent {
    /// Its name.
    pub name: String,
    /// What it looks like, its age first.
    pub appearance_prompt: String,
    /// What it is like.
    pub personality_prompt: String,
    /// What it is for.
    pub description: String,
    /// What its avatar is drawn with.
    pub sd_model: SdModelId,
}

/// An image to be made.
#[derive(Debug, Clone)]
pub struct NewImage {
    /// What it shows.
    pub prompt: String,
    /// What it is drawn with.
    pub sd_model: SdModelId,
    /// The conversation that it enters as a message, if any.
    pub conversation: Option<ConversationId>,
}

impl AgentsAndImages {
    /// A studio with the models of `fixtures`, whose work is kept in `storage`.
    pub fn new(storage: Arc<dyn Storage>, fixtures: FixtureHandle) -> Self {
        let drawing = Arc::new(Semaphore::new(DRAWING_AT_ONCE));
        Self { storage, fixtures, drawing, kept: Arc::default() }
    }

    /// The account's agents, in the order of their making.
    pub async fn agents(&self, account: &AccountState) -> Result<Items<Agent>, AgentsAndImagesError> {
        let owner = account.row;
        let batch = self.storage.list_agents(owner, 0).await.map_err(InternalError::new)?;
        let items = Items::new(&self.storage, batch, move |storage, ordinal| async move {
            storage.agent(owner, ordinal).await
        });
        Ok(items.with_more(move |storage, after| async move {
            storage.list_agents(owner, after).await
        }))
    }

    /// One of the account's agents.
    pub async fn agent(&self, account: &AccountState, id: AgentId) -> Result<Agent, AgentsAndImagesError> {
        let found = self.storage.find_agent(account.row, id.clone()).await;
        let found = found.map_err(InternalError::new)?;
        found.ok_or(AgentsAndImagesError::UnknownAgent(id))
    }

    /// Makes an agent, and charges for its avatar.
    pub async fn make_agent(
        &self,
        session: &AccountSession,
        new: NewAgent,
    ) -> Result<Agent, AgentsAndImagesError> {
        let model = self.fixtures.current().sd_model(&new.sd_model, "sd_model_id")?;
        session.apply_attached_fault(AttachedFaults { by: model.id.as_str(), rules: &model.faults }).await?;
        let cost = model.cost_per_image;
        let mut ids = session.epoch().ids.allocation();
        let ordinal = ids.next(IdKind::Agent);
        let avatar = avatar_prompt(&new.name, &new.appearance_prompt);
        let agent = Agent {
            id: session.epoch().ids.agent(ordinal, &format!("{} {avatar}", model.id)),
            name: new.name,
            appearance_prompt: new.appearance_prompt,
            personality_prompt: new.personality_prompt,
            description: new.description,
            sd_model: Some(new.sd_model),
        };
        let scope = session.write_scope(&ids);
        let outcome = self.storage.create_agent(scope, cost, (ordinal, agent.clone())).await;
        if !stored(outcome, ids)? {
            return Err(AgentsAndImagesError::InsufficientBalance { cost });
        }
        session.trace().set_charge(cost);
        Ok(agent)
    }

    /// A page of the account's images, newest first.
    pub async fn images(
        &self,
        account: &AccountState,
        page: PageRequest,
    ) -> Result<Page<Image>, AgentsAndImagesError> {
        let owner = account.row;
        let listed = self.storage.list_images(owner, page.window()).await;
        let (batch, total) = listed.map_err(InternalError::new)?;
        let items = Items::new(&self.storage, batch, move |storage, ordinal| async move {
            storage.image(owner, ordinal).await
        });
        Ok(Page { items, total })
    }

    /// Makes an image, charges for it, and puts it into its conversation.
    pub async fn make_image(
        &self,
        session: &AccountSession,
        new: NewImage,
    ) -> Result<Image, AgentsAndImagesError> {
        let model = self.fixtures.current().sd_model(&new.sd_model, "sd_model_id")?;
        session.apply_attached_fault(AttachedFaults { by: model.id.as_str(), rules: &model.faults }).await?;
        let cost = model.cost_per_image;
        let conversation = match new.conversation {
            Some(id) => Some(self.conversation(session, id).await?),
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
            messages: vec![message_of(&image, &mut ids)],
        });
        let scope = session.write_scope(&ids);
        let copy = (ordinal, image.clone());
        let outcome = self.storage.create_image(scope, cost, copy, message).await;
        if !stored(outcome, ids)? {
            return Err(AgentsAndImagesError::InsufficientBalance { cost });
        }
        session.trace().set_charge(cost);
        Ok(image)
    }

    /// The ordinal of the conversation `id`. No conversation is ever removed alone, so it still exists
    /// when a write of the same epoch is stored.
    async fn conversation(
        &self,
        account: &AccountState,
        id: ConversationId,
    ) -> Result<u64, AgentsAndImagesError> {
        let api = Api::Characters;
        let extent = self.storage.conversation_extent(account.row, api, id.clone()).await;
        let extent = extent.map_err(InternalError::new)?;
        extent.map(|extent| extent.ordinal).ok_or(AgentsAndImagesError::UnknownConversation(id))
    }

    /// The picture `id`, of an image or of an agent, as a PNG. Needs no account.
    pub async fn picture(&self, id: String) -> Result<Bytes, AgentsAndImagesError> {
        if let Some(png) = self.kept(&id) {
            return Ok(png);
        }
        let found = self.storage.find_picture(id.clone()).await.map_err(InternalError::new)?;
        let Some((prompt, model)) = found else { return Err(AgentsAndImagesError::UnknownImage(id)) };
        let png = self.draw(prompt, model).await?;
        self.keep(id, &png);
        Ok(png)
    }

    async fn draw(&self, prompt: String, model: SdModelId) -> Result<Bytes, AgentsAndImagesError> {
        let place = Arc::clone(&self.drawing).acquire_owned().await.map_err(InternalError::new)?;
        let draw = move || {
            // Whoever asked may leave; the place is taken for as long as the drawing goes on.
            let _place = place;
            placeholder_image::render(&prompt, model.as_str())
        };
        let drawn = tokio::task::spawn_blocking(draw).await.map_err(InternalError::new)?;
        Ok(drawn.map_err(InternalError::new)?.into())
    }

    fn kept(&self, id: &str) -> Option<Bytes> {
        let kept = self.kept.lock();
        kept.iter().find(|(of, _)| of == id).map(|(_, png)| png.clone())
    }

    fn keep(&self, id: String, png: &Bytes) {
        let mut kept = self.kept.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((id, png.clone()));
    }
}

/// The message that shows an image in a conversation: no text, only the image. It belongs to the
/// latest turn.
fn message_of(image: &Image, ids: &mut IdAllocation<'_>) -> Message {
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
