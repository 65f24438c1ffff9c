//! Agents, images and the pictures of both.

use std::sync::Arc;

use super::sample::{ALL, LONG, SampleAccount, agent, credits, image, time};
use crate::domain::catalog::{Agent, Image};
use crate::storage::{PageWindow, Storage, WriteOutcome};

async fn create_agent(account: &SampleAccount, ordinal: u64, agent: Agent) {
    let (scope, cost) = (account.scope(0), credits(0));
    let outcome = account.storage.create_agent(scope, cost, (ordinal, agent)).await;
    assert_eq!(outcome.unwrap(), WriteOutcome::Stored);
}

async fn create_image(account: &SampleAccount, ordinal: u64, image: Image) {
    let (scope, cost) = (account.scope(0), credits(0));
    let outcome = account.storage.create_image(scope, cost, (ordinal, image), None).await;
    assert_eq!(outcome.unwrap(), WriteOutcome::Stored);
}

pub(in crate::storage) async fn agents_are_listed_in_the_order_of_their_creation(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 0).await;
    for (ordinal, id) in [(4, "a"), (1, "z"), (2, "m")] {
        create_agent(&account, ordinal, agent(id)).await;
    }
    for (after, expected) in [(0, &["z", "m", "a"][..]), (1, &["m", "a"]), (2, &["a"]), (4, &[])] {
        let listed = storage.list_agents(account.key, after).await.unwrap();
        let agents = listed.into_iter().map(|listed| listed.item.unwrap());
        let ids: Vec<String> = agents.map(|agent| agent.id.to_string()).collect();
        assert_eq!(ids, expected, "after {after}");
    }
    let found = storage.find_agent(account.key, "m".into()).await.unwrap();
    assert_eq!(format!("{found:?}"), format!("{:?}", Some(agent("m"))));
    let other = SampleAccount::create(&storage, 0).await;
    assert!(storage.find_agent(other.key, "m".into()).await.unwrap().is_none());
}

pub(in crate::storage) async fn a_batch_leaves_long_texts_out(storage: Arc<dyn Storage>) {
    let account = SampleAccount::create(&storage, 0).await;
    let mut long = agent("long");
    long.description = "d".repeat(LONG);
    create_agent(&account, 1, long).await;
    create_agent(&account, 2, agent("short")).await;
    let mut long = image("long", 1);
    long.prompt = "p".repeat(LONG);
    create_image(&account, 1, long).await;
    create_image(&account, 2, image("short", 0)).await;
    let agents = storage.list_agents(account.key, 0).await.unwrap();
    let found: Vec<_> = agents.iter().map(|agent| (agent.key, agent.item.is_some())).collect();
    assert_eq!(found, [(1, false), (2, true)]);
    assert_eq!(storage.agent(account.key, 1).await.unwrap().description.len(), LONG);
    let (images, _) = storage.list_images(account.key, ALL).await.unwrap();
    let found: Vec<_> = images.iter().map(|image| (image.key, image.item.is_some())).collect();
    assert_eq!(found, [(1, false), (2, true)]);
    assert_eq!(storage.image(account.key, 1).await.unwrap().prompt.len(), LONG);
}

pub(in crate::storage) async fn images_are_listed_newest_first(storage: Arc<dyn Storage>) {
    let account = SampleAccount::create(&storage, 0).await;
    for (ordinal, at) in [(1, 7), (2, 5), (3, 7), (4, 9)] {
        create_image(&account, ordinal, image(&format!("image {ordinal}"), at)).await;
    }
    for (skip, take, expected) in [(0, 100, &[4, 3, 1, 2][..]), (1, 2, &[3, 1]), (4, 5, &[])] {
        let window = PageWindow { skip, take };
        let (page, total) = storage.list_images(account.key, window).await.unwrap();
        let keys: Vec<u64> = page.iter().map(|image| image.key).collect();
        assert_eq!((keys.as_slice(), total), (expected, 4));
    }
    assert_eq!(storage.image(account.key, 2).await.unwrap().created_at, time(5));
}

pub(in crate::storage) async fn a_picture_is_found_in_any_account(storage: Arc<dyn Storage>) {
    let _first = SampleAccount::create(&storage, 0).await;
    let account = SampleAccount::create(&storage, 0).await;
    create_image(&account, 1, image("image", 0)).await;
    create_agent(&account, 1, agent("agent")).await;
    create_agent(&account, 2, Agent { sd_model: None, ..agent("without avatar") }).await;
    let find = |id: &str| storage.find_picture(id.to_owned());
    let (prompt, model) = find("image").await.unwrap().unwrap();
    assert_eq!((prompt.as_str(), model.as_str()), ("prompt of image", "painter"));
    let (prompt, model) = find("agent").await.unwrap().unwrap();
    assert_eq!((prompt, model.as_str()), (agent("agent").avatar_prompt(), "painter"));
    assert!(find("without avatar").await.unwrap().is_none());
}
