//! Agents, images and the pictures of both (characters.txt, agents and images).
//!
//! A picture is a pure function of prompt and model, so it is drawn when it is first asked for,
//! off the async runtime, and the latest ones are kept in memory: the answer to a POST waits for
//! no drawing, and after a restart the same URL gives the same bytes.

mod error;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

pub use self::error::AgentsAndImagesError;
use super::accounts::{AccountSession, AccountState};
use super::conversations::{Page, PageRequest};
use super::faults::AttachedFaults;
use super::item_list::Items;
use crate::domain::catalog::{Agent, Image};
use crate::domain::conversation::Message;
use crate::domain::{Api, Role};
use crate::fixtures::FixtureHandle;
use crate::ids::{AgentId, ConversationId, IdGenerator, IdKind, SdModelId};
use crate::storage::accounts;
use crate::storage::agents;
use crate::storage::conversations;
use crate::storage::images;
use crate::storage::messages;
use crate::storage::{self, Store};

/// Pictures drawn at once: drawing is processor time, and requests need some too.
const DRAWING_AT_ONCE: usize = 2;
/// Pictures kept in memory, about 80 KB each.
const KEPT: usize = 32;

/// Makes agents, images and their pictures.
#[derive(Debug, Clone)]
pub struct AgentsAndImages {
    store: Store,
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

/// What a charged act came to.
enum ChargeOutcome<T> {
    Done(T),
    NoSuchConversation,
    NoMoney,
}

impl AgentsAndImages {
    /// A studio with the models of `fixtures`, whose work is kept in `store`.
    pub fn new(store: Store, fixtures: FixtureHandle) -> Self {
        let drawing = Arc::new(Semaphore::new(DRAWING_AT_ONCE));
        Self { store, fixtures, drawing, kept: Arc::default() }
    }

    /// The account's agents, in the order of their making.
    pub async fn agents(&self, account: &AccountState) -> Result<Items<Agent>, AgentsAndImagesError> {
        let owner = account.row;
        let batch = self.store.list_agents(owner, 0).await.map_err(AgentsAndImagesError::internal)?;
        let items = Items::new(&self.store, batch, move |store, ordinal| async move {
            store.agent(owner, ordinal).await
        });
        Ok(items.with_more(move |store, after| async move {
            store.list_agents(owner, after).await
        }))
    }

    /// One of the account's agents.
    pub async fn agent(&self, account: &AccountState, id: AgentId) -> Result<Agent, AgentsAndImagesError> {
        let found = self.store.find_agent(account.row, id.clone()).await;
        let found = found.map_err(AgentsAndImagesError::internal)?;
        found.ok_or(AgentsAndImagesError::UnknownAgent(id))
    }

    /// Makes an agent, and charges for its avatar.
    pub async fn make_agent(
        &self,
        session: &AccountSession,
        new: NewAgent,
    ) -> Result<Agent, AgentsAndImagesError> {
        let model = self.fixtures.current().sd_model(&new.sd_model, "sd_model_id")?;
        session.meet(AttachedFaults { by: model.id.as_str(), rules: &model.faults }).await?;
        let (owner, epoch) = (session.row, Arc::clone(session.epoch()));
        let cost = model.cost_per_image;
        let act = storage::act(move |db| {
            async move {
                if !accounts::charge(db, owner, cost).await? {
                    return Ok(None);
                }
                let ids = &epoch.ids;
                let ordinal = ids.next(IdKind::Agent);
                let mut agent = Agent {
                    id: "".into(),
                    name: new.name,
                    appearance_prompt: new.appearance_prompt,
                    personality_prompt: new.personality_prompt,
                    description: new.description,
                    sd_model: Some(new.sd_model),
                };
                let avatar = format!("{} {}", model.id, agent.avatar_prompt());
                agent.id = ids.agent(ordinal, &avatar);
                agents::insert(db, owner, &agent, ordinal).await?;
                accounts::save_counters(db, owner, ids, &[IdKind::Agent]).await?;
                Ok(Some(agent))
            }
            .boxed()
        });
        let made = session.write(&self.store, act).await?;
        let made = made.ok_or(AgentsAndImagesError::InsufficientBalance { cost })?;
        session.trace().charged(cost);
        Ok(made)
    }

    /// A page of the account's images, newest first.
    pub async fn images(
        &self,
        account: &AccountState,
        page: PageRequest,
    ) -> Result<Page<Image>, AgentsAndImagesError> {
        let owner = account.row;
        let listed = self.store.list_images(owner, page.window()).await;
        let (batch, total) = listed.map_err(AgentsAndImagesError::internal)?;
        let items = Items::new(&self.store, batch, move |store, ordinal| async move {
            store.image(owner, ordinal).await
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
        session.meet(AttachedFaults { by: model.id.as_str(), rules: &model.faults }).await?;
        let cost = model.cost_per_image;
        let (payer, wanted) = (session.clone(), new.conversation.clone());
        let act = storage::act(move |db| {
            async move {
                let mut conversation = None;
                if let Some(id) = &new.conversation {
                    let api = Api::Characters;
                    conversation = conversations::extent(db, payer.row, api, id).await?;
                    if conversation.is_none() {
                        return Ok(ChargeOutcome::NoSuchConversation);
                    }
                }
                if !accounts::charge(db, payer.row, cost).await? {
                    return Ok(ChargeOutcome::NoMoney);
                }
                let ids = &payer.epoch().ids;
                let ordinal = ids.next(IdKind::Image);
                let image = Image {
                    id: ids.image(ordinal, &format!("{} {}", new.sd_model, new.prompt)),
                    prompt: new.prompt,
                    sd_model: new.sd_model,
                    created_at: payer.clock.now(),
                };
                let image = [(ordinal, image)];
                images::insert(db, payer.row, &image).await?;
                let [(_, image)] = image;
                let mut made = vec![IdKind::Image];
                if let Some(conversation) = conversation {
                    let message = shown(ids, &image, conversation.turn_count);
                    let activity = ids.next(IdKind::Activity);
                    let ordinal = conversation.ordinal;
                    messages::append(db, payer.row, ordinal, &[message], activity).await?;
                    made.extend([IdKind::Message, IdKind::Activity]);
                }
                accounts::save_counters(db, payer.row, ids, &made).await?;
                Ok(ChargeOutcome::Done(image))
            }
            .boxed()
        });
        match session.write(&self.store, act).await? {
            ChargeOutcome::Done(image) => {
                session.trace().charged(cost);
                Ok(image)
            }
            ChargeOutcome::NoMoney => Err(AgentsAndImagesError::InsufficientBalance { cost }),
            ChargeOutcome::NoSuchConversation => {
                Err(AgentsAndImagesError::UnknownConversation(wanted.unwrap_or_else(|| "".into())))
            }
        }
    }

    /// The picture `id`, of an image or of an agent, as a PNG. Needs no account.
    pub async fn picture(&self, id: String) -> Result<Bytes, AgentsAndImagesError> {
        if let Some(png) = self.kept(&id) {
            return Ok(png);
        }
        let found = self.store.find_picture(id.clone()).await.map_err(AgentsAndImagesError::internal)?;
        let Some((prompt, model)) = found else { return Err(AgentsAndImagesError::UnknownImage(id)) };
        let png = self.draw(prompt, model).await?;
        self.keep(id, &png);
        Ok(png)
    }

    async fn draw(&self, prompt: String, model: SdModelId) -> Result<Bytes, AgentsAndImagesError> {
        let place = Arc::clone(&self.drawing).acquire_owned().await.map_err(AgentsAndImagesError::internal)?;
        let draw = move || {
            // Whoever asked may leave; the place is taken for as long as the drawing goes on.
            let _place = place;
            placeholder_image::render(&prompt, model.as_str())
        };
        tokio::task::spawn_blocking(draw)
            .await
            .map_err(AgentsAndImagesError::internal)?
            .map(Bytes::from)
            .map_err(AgentsAndImagesError::internal)
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

/// The message that an image is in its conversation: no text, just the image. It belongs to the turn
/// that came last.
fn shown(ids: &IdGenerator, image: &Image, turn: u64) -> Message {
    Message {
        id: ids.message(),
        role: Role::Assistant,
        parts: Vec::new(),
        image: Some(image.id.clone()),
        created_at: image.created_at,
        aborted: false,
        turn,
    }
}
