use super::*;

fn generator(seed: u64, account: &str) -> IdGenerator {
    IdGenerator::new(seed, &AccountId::from(account))
}

#[test]
fn the_same_seed_and_account_give_the_same_ids() {
    let (one, two) = (generator(7, "demo"), generator(7, "demo"));
    assert_eq!(one.message(), two.message());
    assert_eq!(one.request(), two.request());
    assert_eq!(one.runner_conversation(3), two.runner_conversation(3));
}

#[test]
fn seed_account_kind_and_ordinal_each_change_the_id() {
    let first = generator(7, "demo").message();
    assert_ne!(first, generator(8, "demo").message());
    assert_ne!(first, generator(7, "demo-free").message());
    assert_ne!(
        first.as_str().trim_start_matches("msg_"),
        generator(7, "demo").request().as_str().trim_start_matches("req_")
    );
    let demo = generator(7, "demo");
    assert_ne!(demo.message(), demo.message());
}

#[test]
fn request_ids_are_req_and_20_base_62_characters() {
    let id = generator(1, "demo").request();
    let random = id.as_str().strip_prefix("req_").unwrap();
    assert_eq!(random.len(), 20);
    assert!(random.chars().all(|c| c.is_ascii_alphanumeric()));
}

#[test]
fn runner_conversation_ids_are_uuids_of_version_4() {
    let id = generator(1, "demo").runner_conversation(1);
    let uuid: uuid::Uuid = id.as_str().parse().unwrap();
    assert_eq!(uuid.get_version_num(), 4);
}

#[test]
fn ids_do_not_change_from_version_to_version() {
    assert_eq!(generator(42, "demo").message().as_str(), "msg_61paJfFeIeuIKM7gZP0N");
}

#[test]
fn numbers_stay_in_their_range() {
    let random = SeededRandom::new(1, "demo");
    assert!((0..1000).all(|n| random.up_to(9, "jitter", n) <= 9));
    assert_eq!(random.up_to(0, "jitter", 1), 0);
}
