//! State in memory changes together with what is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::future::join_all;

use super::sample::{SampleAccount, credits, data, new_account};
use crate::storage::{AccountReplacement, AccountUpdate, Publish, Storage, WriteOutcome};

fn balance(millionths: i64) -> AccountUpdate {
    AccountUpdate { balance: Some(credits(millionths)), ..AccountUpdate::default() }
}

fn replacement(millionths: i64) -> AccountReplacement {
    AccountReplacement { data: data(millionths), reset_terms: false, terms: None, clock: None }
}

/// A counter, and what adds one to it.
fn counted() -> (Arc<AtomicI64>, Publish) {
    let count = Arc::new(AtomicI64::new(0));
    let counter = Arc::clone(&count);
    let publish = move || {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    (count, Box::new(publish))
}

pub(in crate::storage) async fn a_change_is_published_before_it_returns(storage: Arc<dyn Storage>) {
    let key = *storage.allocate_accounts(1).await.unwrap().first().unwrap();
    let (created, publish) = counted();
    storage.create_accounts(vec![new_account(key, "one", data(5))], publish).await.unwrap();
    let (updated, publish) = counted();
    storage.update_account(key, balance(6), publish).await.unwrap();
    let (replaced, publish) = counted();
    storage.replace_account(key, replacement(7), publish).await.unwrap();
    let (removed, publish) = counted();
    storage.remove_account(key, publish).await.unwrap();
    let counts = [created, updated, replaced, removed].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(counts, [1, 1, 1, 1]);
}

pub(in crate::storage) async fn a_change_that_fails_publishes_nothing(storage: Arc<dyn Storage>) {
    let account = SampleAccount::create(&storage, 5).await;
    let (count, publish) = counted();
    let again = new_account(account.key, "again", data(7));
    storage.create_accounts(vec![again], publish).await.unwrap_err();
    assert_eq!(count.load(Ordering::Relaxed), 0);
    assert_eq!(Arc::strong_count(&count), 1, "the callback is dropped");
    assert_eq!(account.balance().await, 5);
}

pub(in crate::storage) async fn what_is_written_after_an_epoch_is_refused(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 5).await;
    assert_eq!(account.charge(1).await, WriteOutcome::Stored);
    let ended = account.epoch_ended.clone();
    let publish = Box::new(move || ended.cancel());
    storage.replace_account(account.key, replacement(50), publish).await.unwrap();
    assert_eq!(account.charge(1).await, WriteOutcome::EpochEnded);
    assert_eq!(account.record_turn(1, 0, 0).await.unwrap(), WriteOutcome::EpochEnded);
    assert_eq!(account.balance().await, 50);
    assert_eq!(account.data().await.unwrap().made, []);
}

pub(in crate::storage) async fn what_is_written_during_a_replacement_is_replaced_or_refused(
    storage: Arc<dyn Storage>,
) {
    for _ in 0..20 {
        let account = SampleAccount::create(&storage, 1000).await;
        let ended = account.epoch_ended.clone();
        let publish = Box::new(move || ended.cancel());
        let replaced = storage.replace_account(account.key, replacement(77), publish);
        let (before, replaced, after) = futures::join!(
            join_all((0..8).map(|_| account.charge(1))),
            replaced,
            join_all((0..8).map(|_| account.charge(1))),
        );
        replaced.unwrap();
        for outcome in [before, after].concat() {
            assert_ne!(outcome, WriteOutcome::NotCovered);
        }
        assert_eq!(account.balance().await, 77);
    }
}

pub(in crate::storage) async fn data_and_capture_are_of_one_moment(storage: Arc<dyn Storage>) {
    let account = SampleAccount::create(&storage, 0).await;
    let in_memory = Arc::new(AtomicI64::new(0));
    let changes = async {
        for nth in 1..=40 {
            let in_memory = Arc::clone(&in_memory);
            let publish = Box::new(move || in_memory.store(nth, Ordering::Relaxed));
            storage.update_account(account.key, balance(nth), publish).await.unwrap();
        }
    };
    let reads = async {
        for _ in 0..40 {
            let captured = Arc::new(AtomicI64::new(-1));
            let (from, to) = (Arc::clone(&in_memory), Arc::clone(&captured));
            let capture =
                Box::new(move || to.store(from.load(Ordering::Relaxed), Ordering::Relaxed));
            let data = storage.account_data(account.key, capture).await.unwrap().unwrap();
            assert_eq!(data.balance, credits(captured.load(Ordering::Relaxed)));
        }
    };
    futures::join!(changes, reads);
    assert_eq!(account.balance().await, 40);
}
