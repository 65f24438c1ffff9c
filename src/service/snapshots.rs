//! Snapshots: all state of an account as one document, to be put back or copied.
//!
//! A snapshot holds what the two APIs show and what follows from it: data, balance, plan, clock
//! and how many of each kind were made, so that what is made next gets the same ids.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use serde::{Deserialize, Serialize};

use super::worlds::{NewAccount, RestoredState, World, Worlds};
use crate::clock::{ClockMode, parse_rfc3339, rfc3339};
use crate::domain::catalog::{Agent, Image};
use crate::domain::conversation::{
    Api, Conversation, Message, Meta, Target, Variables, number_turns,
};
use crate::domain::error::{Fault, FieldError};
use crate::domain::{Credits, Error, Part, Plan, Role};
use crate::ids::{AccountId, Kind};
use crate::store::snapshots::{self, Holdings};
use crate::store::{self, Store};

/// The version of the document, which goes up when it changes.
const VERSION: u64 = 1;

/// All state of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    version: u64,
    plan: String,
    requests_per_minute: u32,
    runner_requests_per_minute: Option<u32>,
    balance: String,
    clock: ClockState,
    made: Made,
    conversations: Vec<ConversationState>,
    agents: Vec<AgentState>,
    images: Vec<ImageState>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockState {
    now: String,
    frozen: bool,
}

/// How many of each kind were made.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    request: u64,
    conversation: u64,
    message: u64,
    activity: u64,
    agent: u64,
    image: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConversationState {
    ordinal: u64,
    id: String,
    api: Api,
    target: String,
    name: String,
    meta: Meta,
    variables: Variables,
    system_prompt: String,
    agent: Option<String>,
    created_at: String,
    updated_at: String,
    activity: u64,
    messages: Vec<MessageState>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageState {
    id: String,
    role: Role,
    parts: Vec<Part>,
    image: Option<String>,
    created_at: String,
    aborted: bool,
    /// The number of its turn. In snapshots of earlier versions no message has one; then each
    /// user's message begins a turn.
    #[serde(default)]
    turn: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentState {
    ordinal: u64,
    id: String,
    name: String,
    appearance_prompt: String,
    personality_prompt: String,
    description: String,
    sd_model: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageState {
    ordinal: u64,
    id: String,
    prompt: String,
    sd_model: String,
    created_at: String,
}

/// Takes and restores snapshots.
#[derive(Debug, Clone)]
pub struct Snapshots {
    store: Store,
    worlds: Arc<Worlds>,
}

impl Snapshots {
    /// Snapshots of the accounts of `worlds`, whose data is in `store`.
    pub fn new(store: Store, worlds: Arc<Worlds>) -> Self {
        Self { store, worlds }
    }

    /// All state of the account `id`.
    pub async fn take(&self, id: &AccountId) -> Result<Snapshot, Error> {
        let world = self.worlds.named(id)?;
        Ok(self.take_of(&world).await?.0)
    }

    /// All state of `world`, and its clock to the last bit, all as of one moment.
    async fn take_of(&self, world: &Arc<World>) -> Result<(Snapshot, ClockMode), Error> {
        let owner = world.row;
        let look = store::act(move |db| async move { snapshots::read(db, owner).await }.boxed());
        let captured = Arc::clone(world);
        let capture = move || Captured::of(&captured);
        let taken = self.store.read_at_once(capture, look).await.map_err(Error::internal)?;
        let (captured, holdings) = taken;
        let holdings = holdings.ok_or_else(|| Error::UnknownAccount(world.id.clone()))?;
        let clock = captured.mode;
        Ok((Snapshot::of(captured, holdings), clock))
    }

    /// Puts `snapshot` in the place of all state of the account `id`.
    pub async fn restore(&self, id: &AccountId, snapshot: Snapshot) -> Result<(), Error> {
        let world = self.worlds.named(id)?;
        self.worlds.replace(&world, snapshot.checked()?).await
    }

    /// Makes a new account from a copy of the account `id`; what `new` says is so in the copy.
    pub async fn fork(&self, id: &AccountId, new: NewAccount) -> Result<Arc<World>, Error> {
        let original = self.worlds.named(id)?;
        let (mut snapshot, mut clock) = self.take_of(&original).await?;
        if let Some(plan) = &new.plan {
            let usual = self.worlds.plan(plan)?;
            snapshot.plan = usual.id;
            snapshot.requests_per_minute = usual.requests_per_minute;
            snapshot.runner_requests_per_minute = usual.runner_requests_per_minute;
        }
        if let Some(balance) = new.balance {
            snapshot.balance = balance.to_string();
        }
        if let Some(at) = new.clock {
            clock = ClockMode::Frozen { at };
        }
        let from = original.made_from.clone().unwrap_or_else(|| original.id.clone());
        let state = RestoredState { clock, ..snapshot.checked()? };
        self.worlds.make_copy(NewAccount { from: Some(from), ..new }, state).await
    }
}

/// What a snapshot holds of an account that is not in the store.
struct Captured {
    plan: Plan,
    clock: ClockState,
    mode: ClockMode,
    /// Requests made: the only kind that is counted in memory alone.
    requests: u64,
}

impl Captured {
    fn of(world: &World) -> Self {
        let (epoch, clock) = (world.epoch(), &world.clock);
        Self {
            plan: epoch.plan(),
            clock: ClockState { now: rfc3339(clock.now()), frozen: clock.is_frozen() },
            mode: clock.mode(),
            requests: epoch.ids.made(Kind::Request),
        }
    }
}

impl Snapshot {
    fn of(captured: Captured, holdings: Holdings) -> Self {
        let Captured { plan, clock, requests, .. } = captured;
        let counted = |kind| holdings.made.iter().find(|(of, _)| *of == kind);
        let made = |kind| counted(kind).map_or(0, |(_, made)| *made);
        Self {
            version: VERSION,
            plan: plan.id,
            requests_per_minute: plan.requests_per_minute,
            runner_requests_per_minute: plan.runner_requests_per_minute,
            balance: holdings.balance.to_string(),
            clock,
            made: Made {
                request: requests,
                conversation: made(Kind::Conversation),
                message: made(Kind::Message),
                activity: made(Kind::Activity),
                agent: made(Kind::Agent),
                image: made(Kind::Image),
            },
            conversations: holdings.conversations.into_iter().map(Into::into).collect(),
            agents: holdings.agents.into_iter().map(Into::into).collect(),
            images: holdings.images.into_iter().map(Into::into).collect(),
        }
    }

    /// What is put into an account, once everything is found to be in order.
    fn checked(self) -> Result<RestoredState, FieldError> {
        let now = time(&self.clock.now, "clock.now")?;
        Ok(RestoredState {
            plan: self.plan.clone(),
            limits: (self.requests_per_minute, self.runner_requests_per_minute),
            clock: ClockMode::at(now, self.clock.frozen),
            holdings: self.holdings()?,
        })
    }

    fn holdings(self) -> Result<Holdings, FieldError> {
        if self.version != VERSION {
            let message = format!("version must be {VERSION}: this is another Mynah's snapshot");
            return Err(FieldError::new("version", Fault::BadValue, message));
        }
        let balance = Credits::parse(&self.balance).ok_or_else(|| {
            let message = "balance must be credits as decimal text, at most six places: \"12.5\"";
            FieldError::new("balance", Fault::BadValue, message)
        })?;
        for (field, limit) in [
            ("requests_per_minute", Some(self.requests_per_minute)),
            ("runner_requests_per_minute", self.runner_requests_per_minute),
        ] {
            if limit == Some(0) {
                let message = format!("{field} must be a whole number of 1 or more");
                return Err(FieldError::new(field, Fault::BadValue, message));
            }
        }
        let Made { request, conversation, message, activity, agent, image } = self.made;
        let conversations = self.conversations.iter().map(|it| (it.ordinal, it.id.as_str()));
        in_order("conversations", conversations, conversation)?;
        in_order("agents", self.agents.iter().map(|it| (it.ordinal, it.id.as_str())), agent)?;
        in_order("images", self.images.iter().map(|it| (it.ordinal, it.id.as_str())), image)?;
        for (field, made) in
            [("made.request", request), ("made.message", message), ("made.activity", activity)]
        {
            if made > MOST_MADE {
                let message = format!("{field} must be a whole number from 0 to {MOST_MADE}");
                return Err(FieldError::new(field, Fault::BadValue, message));
            }
        }
        let conversations = self.conversations.into_iter().enumerate();
        let images = self.images.into_iter().enumerate();
        Ok(Holdings {
            balance,
            made: vec![
                (Kind::Request, request),
                (Kind::Conversation, conversation),
                (Kind::Message, message),
                (Kind::Activity, activity),
                (Kind::Agent, agent),
                (Kind::Image, image),
            ],
            conversations: conversations
                .map(|(index, it)| it.checked(&format!("conversations[{index}]")))
                .collect::<Result<_, _>>()?,
            agents: self.agents.into_iter().map(AgentState::into_domain).collect(),
            images: images
                .map(|(index, it)| it.checked(&format!("images[{index}]")))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn time(text: &str, field: &str) -> Result<DateTime<Utc>, FieldError> {
    parse_rfc3339(text).ok_or_else(|| {
        let message = format!("{field} must be a time like 2026-03-24T09:00:00Z");
        FieldError::new(field, Fault::BadValue, message)
    })
}

/// The most of a kind that an account can have made: counts are kept as signed numbers, and there
/// is room to make more.
const MOST_MADE: u64 = 1 << 62;

/// No two things of a kind may share an ordinal or an id, and as many must have been made as the
/// last ordinal says.
fn in_order<'i>(
    field: &str,
    things: impl Iterator<Item = (u64, &'i str)>,
    made: u64,
) -> Result<(), FieldError> {
    if made > MOST_MADE {
        let message = format!("made: there can be no more than {MOST_MADE} {field}");
        return Err(FieldError::new("made", Fault::BadValue, message));
    }
    let (mut ordinals, mut ids) = (HashSet::new(), HashSet::new());
    for (index, (ordinal, id)) in things.enumerate() {
        let field = format!("{field}[{index}]");
        if !ordinals.insert(ordinal) || !ids.insert(id) {
            let message = format!("{field} has the ordinal or the id of an earlier one");
            return Err(FieldError::new(field, Fault::BadValue, message));
        }
        if !(1..=made).contains(&ordinal) {
            let message = format!("{field}.ordinal must be from 1 to the {made} that were made");
            return Err(FieldError::new(field, Fault::BadValue, message));
        }
    }
    Ok(())
}

impl From<(Conversation, u64, Vec<Message>)> for ConversationState {
    fn from((conversation, activity, messages): (Conversation, u64, Vec<Message>)) -> Self {
        Self {
            ordinal: conversation.ordinal,
            id: conversation.id.to_string(),
            api: conversation.target.api(),
            target: conversation.target.id().to_owned(),
            name: conversation.name,
            meta: conversation.meta,
            variables: conversation.variables,
            system_prompt: conversation.system_prompt,
            agent: conversation.agent.map(|id| id.to_string()),
            created_at: rfc3339(conversation.created_at),
            updated_at: rfc3339(conversation.updated_at),
            activity,
            messages: messages.into_iter().map(Into::into).collect(),
        }
    }
}

impl ConversationState {
    fn checked(self, at: &str) -> Result<(Conversation, u64, Vec<Message>), FieldError> {
        let conversation = Conversation {
            id: self.id.into(),
            ordinal: self.ordinal,
            target: Target::of(self.api, self.target),
            name: self.name,
            meta: self.meta,
            variables: self.variables,
            system_prompt: self.system_prompt,
            agent: self.agent.map(Into::into),
            created_at: time(&self.created_at, &format!("{at}.created_at"))?,
            updated_at: time(&self.updated_at, &format!("{at}.updated_at"))?,
            message_count: 0,
            turn_count: 0,
        };
        let numbers: Vec<Option<u64>> = self.messages.iter().map(|it| it.turn).collect();
        let messages = self.messages.into_iter().enumerate();
        let mut messages = messages
            .map(|(index, it)| it.checked(&format!("{at}.messages[{index}]")))
            .collect::<Result<Vec<Message>, _>>()?;
        if numbers.iter().all(Option::is_none) {
            number_turns(&mut messages);
        } else {
            check_turns(&messages, at)?;
        }
        Ok((conversation, self.activity, messages))
    }
}

impl From<Message> for MessageState {
    fn from(message: Message) -> Self {
        Self {
            id: message.id.to_string(),
            role: message.role,
            parts: message.parts,
            image: message.image.map(|id| id.to_string()),
            created_at: rfc3339(message.created_at),
            aborted: message.aborted,
            turn: Some(message.turn),
        }
    }
}

/// Turns are numbered from 0 or 1 without a gap, and a turn begins with a user's message.
fn check_turns(messages: &[Message], at: &str) -> Result<(), FieldError> {
    let mut latest = 0;
    for (index, message) in messages.iter().enumerate() {
        let begins = message.turn == latest + 1 && message.role == Role::User;
        if message.turn != latest && !begins {
            let field = format!("{at}.messages[{index}].turn");
            let message = format!(
                "{field} must be {latest}, or {} for a user's message that begins a turn",
                latest + 1
            );
            return Err(FieldError::new(field, Fault::BadValue, message));
        }
        latest = message.turn;
    }
    Ok(())
}

impl MessageState {
    fn checked(self, at: &str) -> Result<Message, FieldError> {
        Ok(Message {
            id: self.id.into(),
            role: self.role,
            parts: self.parts,
            image: self.image.map(Into::into),
            created_at: time(&self.created_at, &format!("{at}.created_at"))?,
            aborted: self.aborted,
            turn: self.turn.unwrap_or_default(),
        })
    }
}

impl From<(u64, Agent)> for AgentState {
    fn from((ordinal, agent): (u64, Agent)) -> Self {
        Self {
            ordinal,
            id: agent.id.to_string(),
            name: agent.name,
            appearance_prompt: agent.appearance_prompt,
            personality_prompt: agent.personality_prompt,
            description: agent.description,
            sd_model: agent.sd_model.map(|id| id.to_string()),
        }
    }
}

impl AgentState {
    fn into_domain(self) -> (u64, Agent) {
        let agent = Agent {
            id: self.id.into(),
            name: self.name,
            appearance_prompt: self.appearance_prompt,
            personality_prompt: self.personality_prompt,
            description: self.description,
            sd_model: self.sd_model.map(Into::into),
        };
        (self.ordinal, agent)
    }
}

impl From<(u64, Image)> for ImageState {
    fn from((ordinal, image): (u64, Image)) -> Self {
        Self {
            ordinal,
            id: image.id.to_string(),
            prompt: image.prompt,
            sd_model: image.sd_model.to_string(),
            created_at: rfc3339(image.created_at),
        }
    }
}

impl ImageState {
    fn checked(self, at: &str) -> Result<(u64, Image), FieldError> {
        let image = Image {
            id: self.id.into(),
            prompt: self.prompt,
            sd_model: self.sd_model.into(),
            created_at: time(&self.created_at, &format!("{at}.created_at"))?,
        };
        Ok((self.ordinal, image))
    }
}
