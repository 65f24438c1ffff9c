//! Triggers of the Runner API.

use std::sync::Arc;

use super::sample::{LONG, SampleAccount, time, trigger};
use crate::domain::trigger::{MOST_TRIGGER_BYTES, MOST_TRIGGERS};
use crate::domain::{Part, Trigger};
use crate::storage::{AccountReplacement, Storage, TriggerUpdate, WriteOutcome};

async fn create(account: &SampleAccount, trigger: Trigger) -> WriteOutcome {
    account.storage.create_trigger(account.scope(0), trigger).await.unwrap()
}

/// The trigger `id`, if there is one; the inner `None` stands for long texts.
async fn find(account: &SampleAccount, id: &str) -> Option<Option<Trigger>> {
    let found = account.storage.find_trigger(account.key, id.into()).await.unwrap();
    found.map(|listed| listed.item)
}

pub(in crate::storage) async fn a_trigger_is_found_and_listed_as_it_was_created(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 0).await;
    let mut long = trigger(2, None);
    long.content = vec![Part::text("c".repeat(LONG))];
    for created in [trigger(1, Some(7)), long.clone(), trigger(3, None)] {
        assert_eq!(create(&account, created).await, WriteOutcome::Stored);
    }
    assert_eq!(find(&account, "trigger 1").await, Some(Some(trigger(1, Some(7)))));
    assert_eq!(find(&account, "trigger 2").await, Some(None));
    let listed = storage.list_triggers(account.key, 1).await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|it| (it.key, it.item)).collect();
    assert_eq!(listed, [(2, None), (3, Some(trigger(3, None)))]);
    assert_eq!(storage.trigger(account.key, 2).await.unwrap(), long);
    let other = SampleAccount::create(&storage, 0).await;
    assert_eq!(find(&other, "trigger 1").await, None);
}

pub(in crate::storage) async fn an_update_of_a_trigger_keeps_what_it_does_not_name(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 0).await;
    create(&account, trigger(1, Some(7))).await;
    let none =
        TriggerUpdate { ordinal: 1, workflow_log: None, conversation: None, expires_at: None };
    let run =
        TriggerUpdate { workflow_log: Some(4), conversation: Some("c".into()), ..none.clone() };
    let expiry = TriggerUpdate { expires_at: Some(time(3)), ..none.clone() };
    let unknown = TriggerUpdate { ordinal: 2, ..run.clone() };
    let later = TriggerUpdate { workflow_log: Some(5), ..none };
    for update in [run, expiry, unknown, later] {
        let outcome = storage.update_trigger(account.scope(0), update).await.unwrap();
        assert_eq!(outcome, WriteOutcome::Stored);
    }
    let expected =
        Trigger { workflow_log: Some(5), conversation: Some("c".into()), ..trigger(1, Some(3)) };
    assert_eq!(storage.trigger(account.key, 1).await.unwrap(), expected);
}

pub(in crate::storage) async fn an_account_has_no_more_triggers_than_its_bounds(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 0).await;
    let mut data = account.data().await.unwrap();
    data.triggers = (2..=MOST_TRIGGERS).map(|ordinal| trigger(ordinal, None)).collect();
    let replacement = AccountReplacement { data, reset_terms: false, terms: None, clock: None };
    storage.replace_account(account.key, replacement, Box::new(|| ())).await.unwrap();
    assert_eq!(create(&account, trigger(1, None)).await, WriteOutcome::Stored);
    let next = trigger(MOST_TRIGGERS + 1, None);
    assert_eq!(create(&account, next.clone()).await, WriteOutcome::TooManyTriggers);
    assert_eq!(find(&account, next.id.as_str()).await, None);

    let other = SampleAccount::create(&storage, 0).await;
    let mut long = trigger(1, None);
    let length = usize::try_from(MOST_TRIGGER_BYTES).unwrap();
    long.content = vec![Part::text("c".repeat(length))];
    assert_eq!(create(&other, long).await, WriteOutcome::TooManyTriggers);
    // A charge in the same batch is stored by itself.
    let (refused, charged) =
        tokio::join!(create(&account, trigger(MOST_TRIGGERS + 2, None)), other.charge(0));
    assert_eq!((refused, charged), (WriteOutcome::TooManyTriggers, WriteOutcome::Stored));
}
