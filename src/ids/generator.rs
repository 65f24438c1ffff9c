//! The generator of an account's ids, and the ordinals that one write allocates.

use std::sync::atomic::Ordering;

use super::kind::{Counters, IdKind};
use super::newtypes::{
    AccountId, AgentId, ConversationId, DeploymentId, ImageId, MessageId, RequestId, RunId,
    ToolCallId, TriggerId,
};
use super::random::{SeededRandom, in_base62};

/// Generates the ids of one account.
#[derive(Debug)]
pub struct IdGenerator {
    random: SeededRandom,
    counters: Counters,
}

impl IdGenerator {
    /// A generator that has allocated nothing.
    pub fn new(seed: u64, account: &AccountId) -> Self {
        Self { random: SeededRandom::new(seed, account.as_str()), counters: Counters::default() }
    }

    /// How many ordinals of `kind` were allocated.
    pub fn count(&self, kind: IdKind) -> u64 {
        kind.counter(&self.counters).load(Ordering::Relaxed)
    }

    /// How many ordinals of each of `kinds` were allocated.
    pub fn counts(&self, kinds: &[IdKind]) -> Vec<(IdKind, u64)> {
        kinds.iter().map(|kind| (*kind, self.count(*kind))).collect()
    }

    /// The same generator with these counts, and 0 for the other kinds.
    #[must_use]
    pub fn with_counts(&self, counts: &[(IdKind, u64)]) -> Self {
        let counters = Counters::default();
        for (kind, count) in counts {
            kind.counter(&counters).store(*count, Ordering::Relaxed);
        }
        Self { random: self.random, counters }
    }

    /// Allocates the next ordinal of `kind`, counted from 1.
    pub fn next(&self, kind: IdKind) -> u64 {
        kind.counter(&self.counters).fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Starts the allocation of the ordinals of one write.
    pub fn allocation(&self) -> IdAllocation<'_> {
        IdAllocation { ids: self, ordinals: Vec::new() }
    }

    /// Allocates a request id: `req_` and 20 base-62 characters.
    pub fn request(&self) -> RequestId {
        self.id("req_", IdKind::Request.name(), self.next(IdKind::Request)).into()
    }

    /// Allocates a message id: `msg_` and 20 base-62 characters.
    pub fn message(&self) -> MessageId {
        self.id("msg_", IdKind::Message.name(), self.next(IdKind::Message)).into()
    }

    fn id(&self, prefix: &str, label: &str, ordinal: u64) -> String {
        in_base62(prefix, self.random.number(label, ordinal))
    }

    /// The id of the account's agent number `ordinal`, whose avatar shows `avatar`: `agent_` and
    /// 20 base-62 characters.
    pub fn agent(&self, ordinal: u64, avatar: &str) -> AgentId {
        self.id("agent_", &format!("{} {avatar}", IdKind::Agent.name()), ordinal).into()
    }

    /// The id of the account's image number `ordinal`, which shows `picture`: `img_` and 20
    /// base-62 characters.
    ///
    /// It depends on the content, because images of all accounts are looked up by id alone and accounts
    /// may share a seed.
    pub fn image(&self, ordinal: u64, picture: &str) -> ImageId {
        self.id("img_", &format!("{} {picture}", IdKind::Image.name()), ordinal).into()
    }

    /// The id of the account's trigger number `ordinal`: `trg_` and 20 base-62 characters.
    pub fn trigger(&self, ordinal: u64) -> TriggerId {
        self.id("trg_", IdKind::Trigger.name(), ordinal).into()
    }

    /// The id of the account's conversation number `ordinal` in the Characters API: `conv_` and 20
    /// base-62 characters.
    pub fn characters_conversation(&self, ordinal: u64) -> ConversationId {
        self.id("conv_", IdKind::Conversation.name(), ordinal).into()
    }

    /// The id of the account's conversation number `ordinal` in the Runner API: a UUID v4.
    pub fn runner_conversation(&self, ordinal: u64) -> ConversationId {
        let random = self.random.number(IdKind::Conversation.name(), ordinal).to_be_bytes();
        let uuid = uuid::Builder::from_random_bytes(random).into_uuid();
        ConversationId::from(uuid.hyphenated().to_string())
    }

    /// Random numbers that depend on the seed and the account only.
    pub fn random(&self) -> SeededRandom {
        self.random
    }
}

/// The ordinals that were allocated for one write.
#[derive(Debug)]
pub struct IdAllocation<'g> {
    ids: &'g IdGenerator,
    ordinals: Vec<(IdKind, u64)>,
}

impl IdAllocation<'_> {
    /// Allocates the next ordinal of `kind`, counted from 1.
    pub fn next(&mut self, kind: IdKind) -> u64 {
        let ordinal = self.ids.next(kind);
        self.ordinals.push((kind, ordinal));
        ordinal
    }

    /// Allocates a message id: `msg_` and 20 base-62 characters.
    pub fn message(&mut self) -> MessageId {
        let ordinal = self.next(IdKind::Message);
        self.ids.id("msg_", IdKind::Message.name(), ordinal).into()
    }

    /// Allocates the id of an agent run: `run_` and 20 base-62 characters.
    pub fn run(&mut self) -> RunId {
        let ordinal = self.next(IdKind::Run);
        self.ids.id("run_", IdKind::Run.name(), ordinal).into()
    }

    /// Allocates a tool call: its ordinal, and its id: `call_` and 20 base-62 characters.
    pub fn tool_call(&mut self) -> (u64, ToolCallId) {
        let ordinal = self.next(IdKind::ToolCall);
        (ordinal, self.ids.id("call_", IdKind::ToolCall.name(), ordinal).into())
    }

    /// The highest ordinal of each kind.
    pub fn highest(&self) -> Vec<(IdKind, u64)> {
        let mut highest: Vec<(IdKind, u64)> = Vec::new();
        for (kind, ordinal) in &self.ordinals {
            match highest.iter_mut().find(|(of, _)| of == kind) {
                Some((_, last)) => *last = *ordinal,
                None => highest.push((*kind, *ordinal)),
            }
        }
        highest
    }

    /// Releases the ordinals of a refused write, unless others were allocated since. So a request that
    /// stores nothing leaves no gap between the ids of the requests before and after it.
    pub fn release(self) {
        for (kind, ordinal) in self.ordinals.into_iter().rev() {
            kind.counter(&self.ids.counters)
                .compare_exchange(ordinal, ordinal - 1, Ordering::Relaxed, Ordering::Relaxed)
                .ok();
        }
    }
}

/// The id and the key of the `number`th account that is created at run time.
pub fn account_and_key(seed: u64, number: u64) -> (AccountId, String) {
    let random = SeededRandom::new(seed, "");
    let id = in_base62("acct_", random.number("account", number));
    (AccountId::from(id), in_base62("mynah_", random.number("key", number)))
}

/// The number of the assistant behind a deployment (`workflow_id`): from 1 to 2³¹ − 1, the same on every
/// server.
pub fn assistant_number(deployment: &DeploymentId) -> u64 {
    const HIGHEST: u64 = 0x7FFF_FFFF;
    SeededRandom::new(0, "").up_to(HIGHEST - 1, deployment.as_str(), 0) + 1
}
