//! Conversations and their messages.

use std::sync::Arc;
use std::task::Poll;

use super::sample::{
    ALL, LONG, SampleAccount, agent, characters_conversation, credits, message,
    runner_conversation, time,
};
use crate::domain::conversation::Target;
use crate::domain::{Api, Part, Role};
use crate::storage::{
    BATCH, ConversationContext, ConversationFilter, ConversationKey, ConversationList, History,
    Listed, NewMessages, PageWindow, Storage, StorageError, Summary,
};

/// The names on a page.
fn names(page: &[Listed<Summary>]) -> Vec<&str> {
    page.iter().map(|listed| listed.item.as_ref().unwrap().name.as_str()).collect()
}

pub(in crate::storage) async fn pages_begin_with_the_latest_activity(storage: Arc<dyn Storage>) {
    let account = SampleAccount::create(&storage, 0).await;
    for (ordinal, at) in [(1, 5), (2, 5), (3, 4), (4, 6)] {
        account.start(runner_conversation(ordinal, at)).await;
    }
    account.start(characters_conversation(5, 9)).await;
    let page = |skip, take| {
        let window = PageWindow { skip, take };
        storage.list_runner_conversations(account.key, ConversationFilter::default(), window)
    };
    let (all, total) = page(0, 10).await.unwrap();
    assert_eq!((names(&all), total), (vec!["name 4", "name 2", "name 1", "name 3"], 4));
    let (second, total) = page(2, 1).await.unwrap();
    assert_eq!((names(&second), total), (vec!["name 1"], 4));
    let (beyond, total) = page(4, 10).await.unwrap();
    assert_eq!((beyond.len(), total), (0, 4));
    // A turn makes its conversation the latest.
    account.record_turn(3, 6, 0).await.unwrap();
    let (first, _) = page(0, 1).await.unwrap();
    let summary = first.first().unwrap().item.as_ref().unwrap();
    assert_eq!((summary.name.as_str(), summary.message_count), ("name 3", 2));
    assert_eq!((summary.created_at, summary.updated_at), (time(0), time(6)));
    assert_eq!(storage.summary(account.key, 3).await.unwrap().name, "name 3");
}

pub(in crate::storage) async fn a_filter_selects_by_deployment_and_labels(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 0).await;
    for ordinal in 1..=12 {
        let mut conversation = runner_conversation(ordinal, 0);
        conversation.meta.insert("half".to_owned(), (ordinal % 2).into());
        conversation.meta.insert("third".to_owned(), format!("{}", ordinal % 3).into());
        if ordinal > 6 {
            conversation.target = Target::Deployment("late".into());
        }
        account.start(conversation).await;
    }
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let cases = [
        (None, vec![label("half", "0")], vec![12, 10, 8, 6, 4, 2]),
        (None, vec![label("half", "0"), label("third", "0")], vec![12, 6]),
        (Some("late"), vec![label("third", "1")], vec![10, 7]),
        (Some("late"), Vec::new(), vec![12, 11, 10, 9, 8, 7]),
        (Some("never"), vec![label("third", "1")], Vec::new()),
        (None, vec![label("half", "2")], Vec::new()),
    ];
    for (deployment, meta, expected) in cases {
        let filter = ConversationFilter { deployment: deployment.map(Into::into), meta };
        let case = format!("{filter:?}");
        for window in [ALL, PageWindow { skip: 0, take: 1 }, PageWindow { skip: 1, take: 2 }] {
            let listed = storage.list_runner_conversations(account.key, filter.clone(), window);
            let (page, total) = listed.await.unwrap();
            let found: Vec<u64> = page.iter().map(|listed| listed.key).collect();
            let (skip, take) = (window.skip, window.take);
            let expected_page: Vec<u64> = (0..)
                .zip(&expected)
                .filter(|(nth, _)| (skip..skip + take).contains(nth))
                .map(|(_, ordinal)| *ordinal)
                .collect();
            assert_eq!(found, expected_page, "{case} {window:?}");
            assert_eq!(total, u64::try_from(expected.len()).unwrap(), "{case}");
        }
    }
}

pub(in crate::storage) async fn characters_conversations_are_read_batch_by_batch(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 0).await;
    let count = BATCH + 5;
    for ordinal in 1..=count {
        account.start(characters_conversation(ordinal, 0)).await;
    }
    account.start(runner_conversation(count + 1, 0)).await;
    let list = storage.list_characters_conversations(account.key).await.unwrap();
    let ConversationList { ordinals, first } = list;
    assert_eq!(ordinals, (1..=count).rev().collect::<Vec<_>>());
    let keys = |batch: &[Listed<_>]| batch.iter().map(|listed| listed.key).collect::<Vec<_>>();
    assert_eq!(keys(&first), (6..=count).rev().collect::<Vec<_>>());
    let more = storage.more_characters_conversations(account.key, &ordinals, 6).await.unwrap();
    assert_eq!(keys(&more), [5, 4, 3, 2, 1]);
    let more = storage.more_characters_conversations(account.key, &ordinals, 1).await.unwrap();
    assert_eq!(more.len(), 0);
    let one = storage.characters_conversation(account.key, 3).await.unwrap();
    assert_eq!(one.name, "name 3");
}

async fn load(account: &SampleAccount, latest: History) -> ConversationContext {
    let (owner, id) = (account.key, "conversation 1".into());
    let key = ConversationKey { owner, api: Api::Characters, id, latest };
    account.storage.load_conversation(key).await.unwrap().expect("it exists")
}

fn texts(context: &ConversationContext) -> Vec<&str> {
    let latest = context.latest.iter();
    let text = |part: &Part| matches!(part, Part::Text { .. });
    assert!(latest.clone().all(|message| message.parts.iter().all(text)));
    latest
        .map(|message| match message.parts.as_slice() {
            [Part::Text { text }] => text.as_str(),
            other => panic!("{other:?}"),
        })
        .collect()
}

pub(in crate::storage) async fn a_conversation_is_loaded_with_its_latest_turns_or_messages(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 0).await;
    let made = storage.create_agent(account.scope(0), credits(0), (1, agent("agent"))).await;
    made.unwrap();
    let mut conversation = characters_conversation(1, 0);
    conversation.agent = Some("agent".into());
    conversation.system_prompt = "Be brief.".to_owned();
    account.start(conversation).await;
    for _ in 0..3 {
        account.record_turn(1, 0, 0).await.unwrap();
    }
    let all = ["question 2", "answer 2", "question 3", "answer 3", "question 4", "answer 4"];
    for (history, from) in [
        (History::Turns(0), 6),
        (History::Turns(1), 4),
        (History::Turns(9), 0),
        (History::Messages(0), 6),
        (History::Messages(3), 3),
        (History::Messages(9), 0),
    ] {
        let context = load(&account, history).await;
        assert_eq!(texts(&context), all[from..], "{history:?}");
        assert_eq!(context.agent.as_ref().unwrap().name, "name of agent");
        assert_eq!(context.conversation.system_prompt, "Be brief.");
        assert_eq!((context.conversation.turn_count, context.conversation.message_count), (3, 6));
        assert!(!context.truncated && context.permit.is_none());
    }
    let roles: Vec<Role> =
        load(&account, History::Turns(1)).await.latest.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant]);
}

pub(in crate::storage) async fn a_long_conversation_is_loaded_whole_and_holds_a_permit(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 0).await;
    let mut conversation = characters_conversation(1, 0);
    conversation.system_prompt = "s".repeat(LONG);
    account.start(conversation).await;
    account.record_turn(1, 0, 0).await.unwrap();
    let mut long = message(Role::User, "long", 0);
    long.parts = vec![Part::text("m".repeat(LONG))];
    let turn = NewMessages {
        conversation: 1,
        activity: account.next(),
        at: time(0),
        messages: vec![long],
    };
    storage.record_turn(account.scope(0), credits(0), turn).await.unwrap();
    let context = load(&account, History::Turns(9)).await;
    let lengths: Vec<usize> = texts(&context).iter().map(|text| text.len()).collect();
    assert_eq!(lengths, ["question 2".len(), "answer 2".len(), LONG]);
    assert_eq!(context.conversation.system_prompt.len(), LONG);
    assert!(context.permit.is_some() && !context.truncated);
    // Permits are few: further readers wait until one is dropped.
    let mut permits = vec![context.permit.unwrap()];
    let mut next = storage.large_read();
    while let Poll::Ready(permit) = futures::poll!(&mut next) {
        permits.push(permit);
        assert!(permits.len() < 100);
        next = storage.large_read();
    }
    drop(permits);
    drop(next.await);
}

pub(in crate::storage) async fn messages_are_read_by_window_and_by_position(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 0).await;
    account.start(runner_conversation(1, 0)).await;
    for _ in 0..60 {
        account.record_turn(1, 8, 0).await.unwrap();
    }
    let list =
        |window| storage.list_messages(account.key, Api::Runner, "conversation 1".into(), window);
    let (extent, first) = list(PageWindow { skip: 0, take: u64::MAX }).await.unwrap().unwrap();
    assert_eq!((extent.message_count, extent.turn_count), (120, 60));
    let keys = |batch: &[Listed<_>]| batch.iter().map(|listed| listed.key).collect::<Vec<_>>();
    assert_eq!(keys(&first), (0..BATCH).collect::<Vec<_>>());
    let (_, page) = list(PageWindow { skip: 118, take: 20 }).await.unwrap().unwrap();
    assert_eq!(keys(&page), [118, 119]);
    let more = storage.more_messages(account.key, 1, PageWindow { skip: 100, take: 3 }).await;
    let more = more.unwrap();
    assert_eq!(keys(&more), [100, 101, 102]);
    let listed = more.into_iter().next().unwrap().item.unwrap();
    let by_position = storage.message(account.key, 1, 100).await.unwrap();
    assert_eq!(format!("{listed:?}"), format!("{by_position:?}"));
    assert_eq!((by_position.turn, by_position.created_at), (51, time(8)));
}

pub(in crate::storage) async fn the_latest_messages_fit_into_a_number_of_bytes(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 0).await;
    account.start(runner_conversation(1, 0)).await;
    for _ in 0..2 {
        account.record_turn(1, 0, 0).await.unwrap();
    }
    let latest = |skip, take, most_bytes| {
        let found = storage.latest_messages(account.key, 1, PageWindow { skip, take }, most_bytes);
        async move {
            let (messages, bytes) = found.await.unwrap();
            (messages.into_iter().map(|message| message.id.to_string()).collect::<Vec<_>>(), bytes)
        }
    };
    let (all, bytes) = latest(0, 4, 1 << 20).await;
    assert_eq!(all, ["question 2", "answer 2", "question 3", "answer 3"]);
    let (fewer, fewer_bytes) = latest(0, 4, bytes - 1).await;
    assert_eq!(fewer, ["answer 2", "question 3", "answer 3"]);
    assert!(fewer_bytes < bytes);
    assert_eq!(latest(1, 2, bytes).await.0, ["answer 2", "question 3"]);
    assert_eq!(latest(0, 4, 0).await, (Vec::new(), 0));
}

pub(in crate::storage) async fn what_does_not_exist_is_not_found(storage: Arc<dyn Storage>) {
    let account = SampleAccount::create(&storage, 0).await;
    account.start(runner_conversation(1, 0)).await;
    let (owner, id) = (account.key, || "conversation 1".into());
    // It is a conversation of the other API.
    assert!(storage.find_conversation(owner, Api::Characters, id()).await.unwrap().is_none());
    assert!(storage.conversation_extent(owner, Api::Characters, id()).await.unwrap().is_none());
    assert!(storage.list_messages(owner, Api::Characters, id(), ALL).await.unwrap().is_none());
    let key = ConversationKey { owner, api: Api::Characters, id: id(), latest: History::Turns(1) };
    assert!(storage.load_conversation(key).await.unwrap().is_none());
    let missing = [
        storage.summary(owner, 9).await.map(drop),
        storage.characters_conversation(owner, 9).await.map(drop),
        storage.message(owner, 1, 0).await.map(drop),
        storage.agent(owner, 1).await.map(drop),
        storage.image(owner, 1).await.map(drop),
    ];
    for found in missing {
        assert!(matches!(found, Err(StorageError::NotFound)), "{found:?}");
    }
    assert!(storage.find_agent(owner, "agent".into()).await.unwrap().is_none());
    assert!(storage.find_picture("image".to_owned()).await.unwrap().is_none());
}
