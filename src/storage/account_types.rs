//! Accounts as storage returns and takes them.

use crate::clock::ClockMode;
use crate::domain::agent_run::RunStep;
use crate::domain::catalog::{Agent, Image};
use crate::domain::conversation::{Conversation, Message};
use crate::domain::{ApiKey, Credits, Profile, Trigger};
use crate::ids::{AccountId, IdKind};

/// The number of an account, which no other account ever had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey(pub(super) i64);

impl AccountKey {
    /// The number itself, from 1.
    pub fn number(self) -> u64 {
        self.0.unsigned_abs()
    }
}

/// A stored account.
#[derive(Debug, Clone)]
pub struct AccountRecord {
    /// The account's number.
    pub key: AccountKey,
    /// The account's id.
    pub id: AccountId,
    /// The fixture account that it was copied from; `None` for a fixture account.
    pub made_from: Option<AccountId>,
    /// The API key of an account created at run time.
    pub api_key: Option<ApiKey>,
    /// Its own seed, if it was given one.
    pub seed: Option<u64>,
    /// Seconds without use after which it is removed.
    pub ttl: Option<u64>,
    /// Its own profile, if it was given one.
    pub profile: Option<Profile>,
    /// Its plan, where it differs from the fixtures.
    pub plan: Option<String>,
    /// The plan that it was created with, where it differs from the fixtures.
    pub first_plan: Option<String>,
    /// Its own limit of the Characters API.
    pub requests_per_minute: Option<u32>,
    /// Its own limit of the Runner API.
    pub runner_requests_per_minute: Option<u32>,
    /// The balance that it started with.
    pub first_balance: Credits,
    /// The mode of its clock at its creation, if it was given one.
    pub first_clock: Option<ClockMode>,
    /// The mode of its clock, if it was changed since its creation.
    pub clock: Option<ClockMode>,
}

/// An account to be created.
#[derive(Debug, Clone)]
pub struct NewAccountRecord {
    /// The account's id.
    pub id: AccountId,
    /// The balance that it starts with.
    pub balance: Credits,
    /// The fixture account that it is copied from; `None` for a fixture account.
    pub made_from: Option<AccountId>,
    /// The API key of an account created at run time.
    pub api_key: Option<ApiKey>,
    /// Its own seed.
    pub seed: Option<u64>,
    /// Seconds without use after which it is removed.
    pub ttl: Option<u64>,
    /// Its own profile.
    pub profile: Option<Profile>,
    /// Its plan, if it differs from the fixtures.
    pub plan: Option<String>,
    /// The mode of its clock, if it differs from the server's.
    pub clock: Option<ClockMode>,
}

impl NewAccountRecord {
    /// The account as it is stored under the number `key`.
    pub fn stored(&self, key: AccountKey) -> AccountRecord {
        AccountRecord {
            key,
            id: self.id.clone(),
            made_from: self.made_from.clone(),
            api_key: self.api_key.clone(),
            seed: self.seed,
            ttl: self.ttl,
            profile: self.profile,
            plan: self.plan.clone(),
            first_plan: self.plan.clone(),
            requests_per_minute: None,
            runner_requests_per_minute: None,
            first_balance: self.balance,
            first_clock: self.clock,
            clock: None,
        }
    }
}

/// Everything an account holds. Each item has its ordinal: its number among those of its kind, from 1, in
/// the order of creation.
#[derive(Debug, Clone)]
pub struct AccountData {
    /// The present balance.
    pub balance: Credits,
    /// How many of each kind were created, including removed ones.
    pub made: Vec<(IdKind, u64)>,
    /// Conversations of both APIs, each with its activity number, which orders changes of the same
    /// second.
    pub conversations: Vec<(Conversation, u64, Vec<Message>)>,
    /// Agents, in the order of their ordinals.
    pub agents: Vec<(u64, Agent)>,
    /// Images, in the order of their ordinals.
    pub images: Vec<(u64, Image)>,
    /// Triggers, in the order of their ordinals.
    pub triggers: Vec<Trigger>,
    /// The steps of agent runs with the ordinals of their conversations, oldest first.
    pub run_steps: Vec<(u64, RunStep)>,
}
