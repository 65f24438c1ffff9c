//! Triggers of the Runner API: content that runs and conversations start from.

mod error;

use std::sync::Arc;

pub use self::error::{AccountTriggerError, CreateTriggerError, TriggerLookupError};
use super::accounts::{AccountState, SessionWriteError, stored};
use super::auth::Caller;
use super::item_list::Items;
use crate::domain::conversation::Variables;
use crate::domain::error::InternalError;
use crate::domain::trigger::expiry;
use crate::domain::{Part, Trigger};
use crate::ids::{IdKind, TriggerId};
use crate::storage::{LargeReadPermit, Listed, Storage, StorageError, TriggerUpdate, WriteScope};

/// Creates and finds triggers.
#[derive(Debug, Clone)]
pub struct Triggers {
    storage: Arc<dyn Storage>,
}

/// A trigger to be created.
#[derive(Debug, Clone)]
pub struct NewTrigger {
    /// What a model is shown before the message of the request.
    pub content: Vec<Part>,
    /// Values for slots of the instructions.
    pub variables: Option<Variables>,
    /// The place in the client's user interface.
    pub ui_surface: Option<String>,
    /// Its life in hours, more than 0; `None` for a trigger that never expires.
    pub ttl_hours: Option<f64>,
}

impl Triggers {
    /// The triggers in `storage`.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// Creates a trigger of the caller's deployment.
    pub async fn create(
        &self,
        caller: &Caller,
        new: NewTrigger,
    ) -> Result<Trigger, CreateTriggerError> {
        let session = &caller.session;
        let mut ids = session.epoch().ids.allocation();
        let ordinal = ids.next(IdKind::Trigger);
        let created_at = session.clock.now();
        let trigger = Trigger {
            id: session.epoch().ids.trigger(ordinal),
            ordinal,
            deployment: caller.deployment.id.clone(),
            content: new.content,
            variables: new.variables,
            ui_surface: new.ui_surface,
            created_at,
            expires_at: new.ttl_hours.map(|hours| expiry(created_at, hours)),
            conversation: None,
            workflow_log: None,
        };
        let scope = session.write_scope(&ids);
        let outcome = self.storage.create_trigger(scope, trigger.clone()).await;
        if stored(outcome, ids)? { Ok(trigger) } else { Err(CreateTriggerError::TooMany) }
    }

    /// The trigger `id` of the caller's deployment.
    pub async fn get(&self, caller: &Caller, id: TriggerId) -> Result<Trigger, TriggerLookupError> {
        let found = find(&*self.storage, caller, &id).await?;
        found.map(|(trigger, _)| trigger).ok_or(TriggerLookupError::Unknown(id))
    }
}

impl Triggers {
    /// The account's triggers, in the order of their creation.
    pub async fn list(&self, account: &AccountState) -> Result<Items<Trigger>, InternalError> {
        let owner = account.row;
        let batch = self.storage.list_triggers(owner, 0).await.map_err(InternalError::new)?;
        let items = Items::new(&self.storage, batch, move |storage, ordinal| async move {
            storage.trigger(owner, ordinal).await
        });
        Ok(items.with_more(move |storage, after| async move {
            storage.list_triggers(owner, after).await
        }))
    }

    /// All of the account's triggers at once, in the order of their creation.
    pub async fn all(&self, account: &AccountState) -> Result<Vec<Trigger>, AccountTriggerError> {
        let (owner, mut all, mut after) = (account.row, Vec::new(), 0);
        loop {
            let batch = self.storage.list_triggers(owner, after).await;
            let batch = batch.map_err(InternalError::new)?;
            let Some(last) = batch.last() else { return Ok(all) };
            after = last.key;
            for Listed { key, item } in batch {
                all.push(match item {
                    Some(trigger) => trigger,
                    None => self.storage.trigger(owner, key).await.map_err(InternalError::new)?,
                });
            }
        }
    }

    /// Has the account's trigger `id` expire now, if it has not yet; returns the trigger.
    pub async fn expire(
        &self,
        account: &AccountState,
        id: TriggerId,
    ) -> Result<Trigger, AccountTriggerError> {
        let (owner, epoch) = (account.row, account.epoch());
        let found = self.storage.find_trigger(owner, id.clone()).await;
        let Some(found) = found.map_err(InternalError::new)? else {
            return Err(AccountTriggerError::UnknownTrigger(id));
        };
        let trigger = self.storage.trigger(owner, found.key).await.map_err(InternalError::new)?;
        let now = account.clock.now();
        if trigger.has_expired(now) {
            return Ok(trigger);
        }
        let update = TriggerUpdate {
            ordinal: trigger.ordinal,
            workflow_log: None,
            conversation: None,
            expires_at: Some(now),
        };
        let ids = epoch.ids.allocation();
        let scope = WriteScope { owner, epoch_ended: epoch.ended().clone(), made: ids.highest() };
        match stored(self.storage.update_trigger(scope, update).await, ids) {
            Ok(_) => Ok(Trigger { expires_at: Some(now), ..trigger }),
            Err(SessionWriteError::AccountEnded) => Err(AccountTriggerError::UnknownTrigger(id)),
            Err(SessionWriteError::Internal(error)) => Err(error.into()),
        }
    }
}

/// The trigger `id`, if the caller's account has it for the caller's deployment. A trigger with long texts
/// comes with a permit to hold them.
pub(in crate::app) async fn find(
    storage: &dyn Storage,
    caller: &Caller,
    id: &TriggerId,
) -> Result<Option<(Trigger, Option<LargeReadPermit>)>, InternalError> {
    let owner = caller.session.row;
    let found = storage.find_trigger(owner, id.clone()).await.map_err(InternalError::new)?;
    let found = match found {
        None => None,
        Some(Listed { item: Some(trigger), .. }) => Some((trigger, None)),
        Some(Listed { key, item: None }) => {
            let permit = storage.large_read().await;
            match storage.trigger(owner, key).await {
                Ok(trigger) => Some((trigger, Some(permit))),
                // The account was reset meanwhile.
                Err(StorageError::NotFound) => None,
                Err(error) => return Err(InternalError::new(error)),
            }
        }
    };
    Ok(found.filter(|(trigger, _)| trigger.deployment == caller.deployment.id))
}
