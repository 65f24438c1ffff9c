//! Accounts and what they hold, for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::domain::catalog::{Agent, Image};
use crate::domain::conversation::{Conversation, Message, Meta, Target, Variables};
use crate::domain::{Credits, Part, Role, Trigger};
use crate::ids::{AccountId, IdKind, MessageId};
use crate::storage::{
    AccountData, AccountKey, NewAccountData, NewAccountRecord, NewMessages, PageWindow, Storage,
    StorageError, WriteOutcome, WriteScope,
};

/// A window with everything.
pub(super) const ALL: PageWindow = PageWindow { skip: 0, take: 100 };
/// A text that no batch contains.
pub(super) const LONG: usize = 1024 * 1024;

/// An account in a storage.
pub(super) struct SampleAccount {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) key: AccountKey,
    pub(super) epoch_ended: CancellationToken,
    /// Counts everything that the account creates.
    latest: AtomicU64,
}

impl SampleAccount {
    /// Creates an account that has `balance` millionths and nothing else.
    pub(super) async fn create(storage: &Arc<dyn Storage>, balance: i64) -> Self {
        let key = *storage.allocate_accounts(1).await.unwrap().first().unwrap();
        let new = new_account(key, &format!("account {}", key.number()), data(balance));
        storage.create_accounts(vec![new], Box::new(|| ())).await.unwrap();
        let (storage, epoch_ended) = (Arc::clone(storage), CancellationToken::new());
        Self { storage, key, epoch_ended, latest: AtomicU64::new(0) }
    }

    /// A number that was not used yet.
    pub(super) fn next(&self) -> u64 {
        self.latest.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The scope of a write that has created so many messages.
    pub(super) fn scope(&self, messages: u64) -> WriteScope {
        let made = vec![(IdKind::Message, messages)];
        WriteScope { owner: self.key, epoch_ended: self.epoch_ended.clone(), made }
    }

    pub(super) async fn charge(&self, cost: i64) -> WriteOutcome {
        self.storage.charge(self.scope(0), credits(cost)).await.unwrap()
    }

    /// Starts a conversation with this ordinal and no messages.
    pub(super) async fn start(&self, conversation: Conversation) {
        let first = NewMessages {
            conversation: conversation.ordinal,
            activity: self.next(),
            at: conversation.updated_at,
            messages: Vec::new(),
        };
        let outcome =
            self.storage.start_conversation(self.scope(0), conversation, first, None).await;
        assert_eq!(outcome.unwrap(), WriteOutcome::Stored);
    }

    /// Adds a turn to conversation `ordinal` at second `at`.
    pub(super) async fn record_turn(
        &self,
        ordinal: u64,
        at: i64,
        cost: i64,
    ) -> Result<WriteOutcome, StorageError> {
        let nth = self.next();
        let messages = vec![
            message(Role::User, &format!("question {nth}"), at),
            message(Role::Assistant, &format!("answer {nth}"), at),
        ];
        let turn = NewMessages { conversation: ordinal, activity: nth, at: time(at), messages };
        self.storage.record_turn(self.scope(nth), credits(cost), turn).await
    }

    /// The ids of the messages of conversation `ordinal`, oldest first.
    pub(super) async fn messages(&self, ordinal: u64) -> Vec<String> {
        let found = self.storage.more_messages(self.key, ordinal, ALL).await.unwrap();
        found.into_iter().map(|listed| listed.item.unwrap().id.to_string()).collect()
    }

    pub(super) async fn balance(&self) -> i64 {
        self.storage.balance(self.key).await.unwrap().unwrap().millionths()
    }

    pub(super) async fn data(&self) -> Option<AccountData> {
        self.storage.account_data(self.key, Box::new(|| ())).await.unwrap()
    }
}

pub(super) fn credits(millionths: i64) -> Credits {
    Credits::from_millionths(millionths)
}

pub(super) fn time(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

pub(super) fn new_account(key: AccountKey, id: &str, data: AccountData) -> NewAccountData {
    let record = NewAccountRecord {
        id: AccountId::from(id),
        balance: data.balance,
        made_from: None,
        api_key: None,
        seed: None,
        ttl: None,
        profile: None,
        plan: None,
        clock: None,
    };
    NewAccountData { key, record, data, terms: None, origin: None }
}

/// A balance and nothing else.
pub(super) fn data(balance: i64) -> AccountData {
    AccountData {
        balance: credits(balance),
        made: Vec::new(),
        conversations: Vec::new(),
        agents: Vec::new(),
        images: Vec::new(),
        triggers: Vec::new(),
        run_steps: Vec::new(),
    }
}

/// A conversation of the Runner API that last changed at second `updated_at`.
pub(super) fn runner_conversation(ordinal: u64, updated_at: i64) -> Conversation {
    Conversation {
        target: Target::Deployment("deployment".into()),
        ..characters_conversation(ordinal, updated_at)
    }
}

/// A conversation of the Characters API that last changed at second `updated_at`.
pub(super) fn characters_conversation(ordinal: u64, updated_at: i64) -> Conversation {
    Conversation {
        id: format!("conversation {ordinal}").into(),
        ordinal,
        target: Target::Llm("model".into()),
        name: format!("name {ordinal}"),
        meta: Meta::new(),
        variables: Variables::new(),
        system_prompt: String::new(),
        agent: None,
        created_at: time(0),
        updated_at: time(updated_at),
        message_count: 0,
        turn_count: 0,
        run_count: 0,
        completed_at: None,
    }
}

/// The first or second message of the next turn.
pub(super) fn message(role: Role, id: &str, at: i64) -> Message {
    Message {
        id: MessageId::from(id.to_owned()),
        role,
        parts: vec![Part::text(id)],
        image: None,
        created_at: time(at),
        aborted: false,
        turn: 1,
    }
}

pub(super) fn agent(id: &str) -> Agent {
    Agent {
        id: id.into(),
        name: format!("name of {id}"),
        appearance_prompt: "30 years old".to_owned(),
        personality_prompt: "calm".to_owned(),
        description: "a guide".to_owned(),
        sd_model: Some("painter".into()),
    }
}

pub(super) fn image(id: &str, at: i64) -> Image {
    Image {
        id: id.into(),
        prompt: format!("prompt of {id}"),
        sd_model: "painter".into(),
        created_at: time(at),
    }
}

/// A trigger that expires at second `expires_at`.
pub(super) fn trigger(ordinal: u64, expires_at: Option<i64>) -> Trigger {
    Trigger {
        id: format!("trigger {ordinal}").into(),
        ordinal,
        deployment: "deployment".into(),
        content: vec![Part::text(format!("content {ordinal}"))],
        variables: None,
        ui_surface: None,
        created_at: time(1),
        expires_at: expires_at.map(time),
        conversation: None,
        workflow_log: None,
    }
}
