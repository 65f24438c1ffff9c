//! What requests write.

use std::sync::Arc;

use futures::future::join_all;

use super::sample::{
    ALL, SampleAccount, agent, credits, image, message, runner_conversation, time,
};
use crate::domain::{Api, Role};
use crate::ids::IdKind;
use crate::storage::{ConversationExtent, NewMessages, Storage, StorageError, WriteOutcome};

pub(in crate::storage) async fn a_turn_is_stored_with_its_cost_and_its_counter(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 100).await;
    account.start(runner_conversation(1, 5)).await;
    assert_eq!(account.record_turn(1, 7, 30).await.unwrap(), WriteOutcome::Stored);
    assert_eq!(account.record_turn(1, 9, 20).await.unwrap(), WriteOutcome::Stored);
    assert_eq!(account.balance().await, 50);
    assert_eq!(account.messages(1).await, ["question 2", "answer 2", "question 3", "answer 3"]);
    let extent = storage.conversation_extent(account.key, Api::Runner, "conversation 1".into());
    let (target, message_count, turn_count) = ("deployment".to_owned(), 4, 2);
    let (run, completed_at) = (None, None);
    let expected =
        ConversationExtent { ordinal: 1, target, message_count, turn_count, run, completed_at };
    assert_eq!(extent.await.unwrap(), Some(expected));
    let found = storage.find_conversation(account.key, Api::Runner, "conversation 1".into()).await;
    assert_eq!(found.unwrap().unwrap().updated_at, time(9));
    assert_eq!(account.data().await.unwrap().made, [(IdKind::Message, 3)]);
}

pub(in crate::storage) async fn a_write_that_fails_stores_nothing(storage: Arc<dyn Storage>) {
    let account = SampleAccount::create(&storage, 100).await;
    account.start(runner_conversation(1, 0)).await;
    let nowhere = account.record_turn(99, 1, 60);
    let (nowhere, there) = futures::join!(nowhere, account.record_turn(1, 1, 40));
    assert!(nowhere.is_err(), "{nowhere:?}");
    assert_eq!(there.unwrap(), WriteOutcome::Stored);
    assert_eq!(account.balance().await, 60);
    assert_eq!(account.messages(1).await.len(), 2);
    assert_eq!(account.messages(99).await.len(), 0);
}

pub(in crate::storage) async fn turns_at_the_same_time_do_not_mix(storage: Arc<dyn Storage>) {
    let account = SampleAccount::create(&storage, 0).await;
    account.start(runner_conversation(1, 0)).await;
    for outcome in join_all((0..30).map(|_| account.record_turn(1, 1, 0))).await {
        assert_eq!(outcome.unwrap(), WriteOutcome::Stored);
    }
    let found = storage.more_messages(account.key, 1, ALL).await.unwrap();
    assert_eq!(found.len(), 60);
    let messages: Vec<_> = found.into_iter().map(|listed| listed.item.unwrap()).collect();
    for (turn, pair) in (1..).zip(messages.chunks(2)) {
        let [question, answer] = pair else { panic!("{pair:?}") };
        assert_eq!((question.turn, answer.turn), (turn, turn));
        assert_eq!(question.id.as_str().replace("question", "answer"), answer.id.as_str());
    }
}

pub(in crate::storage) async fn a_balance_covers_no_more_than_it_has(storage: Arc<dyn Storage>) {
    let account = SampleAccount::create(&storage, 10).await;
    let outcomes = join_all((0..5).map(|_| account.charge(3))).await;
    let stored = outcomes.iter().filter(|outcome| **outcome == WriteOutcome::Stored).count();
    let refused = outcomes.iter().filter(|outcome| **outcome == WriteOutcome::NotCovered).count();
    assert_eq!((stored, refused, account.balance().await), (3, 2, 1));
    assert_eq!(account.charge(1).await, WriteOutcome::Stored);
    assert_eq!(account.charge(1).await, WriteOutcome::NotCovered);
    assert_eq!(account.charge(0).await, WriteOutcome::Stored);
}

pub(in crate::storage) async fn what_is_not_covered_is_not_stored(storage: Arc<dyn Storage>) {
    let account = SampleAccount::create(&storage, 10).await;
    account.start(runner_conversation(1, 0)).await;
    assert_eq!(account.record_turn(1, 1, 11).await.unwrap(), WriteOutcome::NotCovered);
    let made = storage.create_agent(account.scope(5), credits(11), (1, agent("agent"))).await;
    assert_eq!(made.unwrap(), WriteOutcome::NotCovered);
    assert_eq!(account.messages(1).await.len(), 0);
    let data = account.data().await.unwrap();
    assert_eq!((data.agents.len(), data.balance), (0, credits(10)));
    assert!(data.made.iter().all(|(_, made)| *made == 0), "{:?}", data.made);
}

pub(in crate::storage) async fn an_image_and_its_message_are_stored_together(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 100).await;
    account.start(runner_conversation(1, 0)).await;
    let shown = |conversation| {
        let mut shown = message(Role::Assistant, "shown", 3);
        shown.image = Some("image".into());
        let messages = vec![shown];
        Some(NewMessages { conversation, activity: 9, at: time(3), messages })
    };
    let (scope, cost) = (account.scope(1), credits(40));
    let nowhere = storage.create_image(scope, cost, (1, image("image", 3)), shown(99)).await;
    assert!(nowhere.is_err(), "{nowhere:?}");
    assert_eq!(storage.list_images(account.key, ALL).await.unwrap().1, 0);
    let scope = account.scope(1);
    let stored = storage.create_image(scope, cost, (1, image("image", 3)), shown(1)).await;
    assert_eq!(stored.unwrap(), WriteOutcome::Stored);
    assert_eq!(account.balance().await, 60);
    assert_eq!(storage.image(account.key, 1).await.unwrap().prompt, "prompt of image");
    let message = storage.message(account.key, 1, 0).await.unwrap();
    assert_eq!(message.image, Some("image".into()));
}

pub(in crate::storage) async fn nothing_is_written_once_it_is_closed(storage: Arc<dyn Storage>) {
    let account = SampleAccount::create(&storage, 10).await;
    let before = storage.written();
    assert_eq!(account.charge(1).await, WriteOutcome::Stored);
    assert_eq!(storage.written().writes, before.writes + 1);
    storage.check().await.unwrap();
    storage.close().await;
    let refused = storage.charge(account.scope(0), credits(1)).await;
    assert!(matches!(refused, Err(StorageError::Closed)), "{refused:?}");
    let refused = storage.balance(account.key).await;
    assert!(matches!(refused, Err(StorageError::Closed)), "{refused:?}");
}
