//! Accounts and everything they hold.

use std::sync::Arc;

use chrono::TimeDelta;

use super::sample::{
    SampleAccount, agent, characters_conversation, credits, data, image, message, new_account,
    runner_conversation, time, trigger,
};
use crate::clock::ClockMode;
use crate::domain::{Api, ApiKey, Part, Profile, Role};
use crate::ids::IdKind;
use crate::storage::{
    AccountData, AccountKey, AccountReplacement, AccountUpdate, NewAccountData, NewAccountRecord,
    PlanTerms, Storage, StorageError, WriteOutcome,
};

async fn allocate(storage: &Arc<dyn Storage>) -> AccountKey {
    *storage.allocate_accounts(1).await.unwrap().first().unwrap()
}

/// Something of everything that an account can hold.
fn full_data() -> AccountData {
    let mut asked = message(Role::User, "asked", 4);
    asked.parts.push(Part::text("and more"));
    let mut answered = message(Role::Assistant, "answered", 5);
    answered.aborted = true;
    let mut shown = message(Role::Assistant, "shown", 6);
    shown.image = Some("image".into());
    let mut runner = runner_conversation(1, 6);
    runner.meta.insert("userId".to_owned(), 7.into());
    runner.variables.insert("name".to_owned(), vec!["a", "b"].into());
    (runner.message_count, runner.turn_count) = (3, 1);
    let mut characters = characters_conversation(2, 9);
    characters.system_prompt = "Be brief.".to_owned();
    characters.agent = Some("agent".into());
    let mut used = trigger(1, None);
    used.variables = Some(runner.variables.clone());
    used.ui_surface = Some("inbox".to_owned());
    (used.conversation, used.workflow_log) = (Some("conversation 1".into()), Some(3));
    AccountData {
        made: vec![(IdKind::Conversation, 2), (IdKind::Message, 8)],
        conversations: vec![(runner, 3, vec![asked, answered, shown]), (characters, 4, Vec::new())],
        agents: vec![(1, agent("agent")), (3, agent("another"))],
        images: vec![(2, image("image", 6))],
        triggers: vec![used, trigger(4, Some(9))],
        ..data(12)
    }
}

#[track_caller]
fn assert_same(found: Option<AccountData>, mut expected: AccountData) {
    let mut found = found.expect("the account exists");
    found.made.sort_by_key(|(kind, _)| kind.name());
    expected.made.sort_by_key(|(kind, _)| kind.name());
    assert_eq!(format!("{found:#?}"), format!("{expected:#?}"));
}

pub(in crate::storage) async fn accounts_are_stored_as_they_were_created(
    storage: Arc<dyn Storage>,
) {
    let [first, second] = [allocate(&storage).await, allocate(&storage).await];
    let of_fixtures = new_account(first, "first", full_data());
    let record = NewAccountRecord {
        id: "second".into(),
        balance: credits(12),
        made_from: Some("first".into()),
        api_key: Some(ApiKey::new("a key")),
        seed: Some(u64::MAX),
        ttl: Some(60),
        profile: Some(Profile::Current),
        plan: Some("pro".to_owned()),
        clock: Some(ClockMode::Frozen { at: time(1) + TimeDelta::microseconds(3) }),
    };
    let terms = PlanTerms {
        plan: "team".to_owned(),
        requests_per_minute: Some(5),
        runner_requests_per_minute: None,
    };
    let created = NewAccountData {
        key: second,
        record: record.clone(),
        data: full_data(),
        terms: Some(terms),
        origin: Some("{}".to_owned()),
    };
    let of_fixtures_record = of_fixtures.record.stored(first);
    storage.create_accounts(vec![of_fixtures, created], Box::new(|| ())).await.unwrap();

    let mut expected = record.stored(second);
    expected.plan = Some("team".to_owned());
    expected.requests_per_minute = Some(5);
    let found = storage.account(second).await.unwrap();
    assert_eq!(format!("{found:#?}"), format!("{expected:#?}"));
    let found = storage.account(first).await.unwrap();
    assert_eq!(format!("{found:#?}"), format!("{of_fixtures_record:#?}"));
    let accounts = storage.accounts().await.unwrap();
    assert_eq!(accounts.iter().map(|(record, _)| record.key).collect::<Vec<_>>(), [first, second]);
    assert!(accounts.iter().all(|(_, made)| made.contains(&(IdKind::Message, 8))), "{accounts:?}");
    assert_eq!(storage.account_origin(first).await.unwrap(), None);
    assert_eq!(storage.account_origin(second).await.unwrap().as_deref(), Some("{}"));
    for key in [first, second] {
        let found = storage.account_data(key, Box::new(|| ())).await.unwrap();
        assert_same(found, full_data());
    }
}

pub(in crate::storage) async fn several_accounts_are_created_or_none(storage: Arc<dyn Storage>) {
    let (first, second) = (allocate(&storage).await, allocate(&storage).await);
    let same_id = vec![new_account(first, "one", data(1)), new_account(second, "one", data(2))];
    storage.create_accounts(same_id, Box::new(|| ())).await.unwrap_err();
    assert_eq!(storage.balances().await.unwrap().len(), 0);
    let two = vec![new_account(first, "one", data(1)), new_account(second, "two", data(2))];
    storage.create_accounts(two, Box::new(|| ())).await.unwrap();
    let balances = storage.balances().await.unwrap();
    assert_eq!(
        (balances.get(&first), balances.get(&second)),
        (Some(&credits(1)), Some(&credits(2)))
    );
}

pub(in crate::storage) async fn numbers_of_accounts_are_never_given_again(
    storage: Arc<dyn Storage>,
) {
    let first = storage.allocate_accounts(3).await.unwrap();
    assert_eq!(first.len(), 3);
    assert!(first.is_sorted(), "{first:?}");
    let account = SampleAccount::create(&storage, 0).await;
    assert!(account.key > *first.last().unwrap());
    storage.remove_account(account.key, Box::new(|| ())).await.unwrap();
    assert!(allocate(&storage).await > account.key);
}

pub(in crate::storage) async fn an_update_changes_what_it_names_and_no_more(
    storage: Arc<dyn Storage>,
) {
    let (account, other) =
        (SampleAccount::create(&storage, 1).await, SampleAccount::create(&storage, 2).await);
    let ahead_of_system = TimeDelta::milliseconds(-1500);
    let terms = PlanTerms {
        plan: "pro".to_owned(),
        requests_per_minute: None,
        runner_requests_per_minute: Some(9),
    };
    let updates = [
        AccountUpdate { balance: Some(credits(5)), ..AccountUpdate::default() },
        AccountUpdate { terms: Some(terms), ..AccountUpdate::default() },
        AccountUpdate {
            clock: Some(ClockMode::Running { ahead_of_system }),
            ..AccountUpdate::default()
        },
        AccountUpdate::default(),
    ];
    for update in updates {
        storage.update_account(account.key, update, Box::new(|| ())).await.unwrap();
    }
    let record = storage.account(account.key).await.unwrap();
    assert_eq!(account.balance().await, 5);
    assert_eq!(record.first_balance, credits(1));
    assert_eq!((record.plan.as_deref(), record.runner_requests_per_minute), (Some("pro"), Some(9)));
    assert_eq!(record.clock, Some(ClockMode::Running { ahead_of_system }));
    assert_eq!((other.balance().await, storage.account(other.key).await.unwrap().plan), (2, None));
}

pub(in crate::storage) async fn a_replaced_account_holds_the_new_data_only(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 1).await;
    account.start(runner_conversation(8, 0)).await;
    account.record_turn(8, 0, 0).await.unwrap();
    for expected in [full_data(), full_data(), data(3)] {
        let replacement = AccountReplacement {
            data: expected.clone(),
            reset_terms: false,
            terms: None,
            clock: None,
        };
        storage.replace_account(account.key, replacement, Box::new(|| ())).await.unwrap();
        assert_same(account.data().await, expected);
    }
}

pub(in crate::storage) async fn a_reset_of_terms_leaves_those_of_the_creation(
    storage: Arc<dyn Storage>,
) {
    let key = allocate(&storage).await;
    let mut new = new_account(key, "one", data(1));
    new.record.plan = Some("first".to_owned());
    storage.create_accounts(vec![new], Box::new(|| ())).await.unwrap();
    let terms = PlanTerms {
        plan: "second".to_owned(),
        requests_per_minute: Some(1),
        runner_requests_per_minute: Some(2),
    };
    let update = AccountUpdate {
        balance: None,
        terms: Some(terms),
        clock: Some(ClockMode::Frozen { at: time(1) }),
    };
    storage.update_account(key, update, Box::new(|| ())).await.unwrap();
    for (reset_terms, plan, limit) in [(false, "second", Some(1)), (true, "first", None)] {
        let replacement =
            AccountReplacement { data: data(1), reset_terms, terms: None, clock: None };
        storage.replace_account(key, replacement, Box::new(|| ())).await.unwrap();
        let record = storage.account(key).await.unwrap();
        assert_eq!((record.plan.as_deref(), record.requests_per_minute), (Some(plan), limit));
        assert_eq!(record.clock.is_some(), !reset_terms);
    }
}

pub(in crate::storage) async fn a_removed_account_has_nothing(storage: Arc<dyn Storage>) {
    let (account, other) =
        (SampleAccount::create(&storage, 1).await, SampleAccount::create(&storage, 2).await);
    for account in [&account, &other] {
        account.start(runner_conversation(1, 0)).await;
    }
    storage.remove_account(account.key, Box::new(|| ())).await.unwrap();
    assert_eq!(storage.balance(account.key).await.unwrap(), None);
    assert!(account.data().await.is_none());
    let record = storage.account(account.key).await;
    assert!(matches!(record, Err(StorageError::NotFound)), "{record:?}");
    let id = || "conversation 1".into();
    let found = storage.find_conversation(account.key, Api::Runner, id()).await.unwrap();
    assert!(found.is_none(), "{found:?}");
    let found = storage.find_conversation(other.key, Api::Runner, id()).await.unwrap();
    assert!(found.is_some(), "the other account keeps what it holds");
    let refused = storage.create_agent(account.scope(0), credits(1), (1, agent("agent"))).await;
    assert!(!matches!(refused, Ok(WriteOutcome::Stored)), "{refused:?}");
}
