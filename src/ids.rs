//! Ids and repeatable random numbers.
//!
//! An [`IdGenerator`] belongs to one account. Each id is a pure function of (seed, account, kind,
//! ordinal): an account that makes the same requests gets the same ids, whatever other accounts do.
//! The generator counts the ordinals; the database stores the counts, so that a restart continues.

use std::fmt;
use std::hash::Hasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The id as shared text.
            pub fn shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<T: Into<Arc<str>>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(
    /// An account, as fixtures name it: `demo`.
    AccountId
);
id!(
    /// A project: the accounts of one project share its deployments.
    ProjectId
);
id!(
    /// A deployment of the Runner API: `YOUR_DEPLOYMENT_ID`.
    DeploymentId
);
id!(
    /// A conversation of either API: a UUID for the Runner API, `conv_…` for the Characters API.
    ConversationId
);
id!(
    /// A language model of the Characters API: `model_abc123`.
    LlmId
);
id!(
    /// A picture model (stable diffusion) of the Characters API: `sd_model_456abc`.
    SdModelId
);
id!(
    /// An agent of the Characters API: `agent_…`.
    AgentId
);
id!(
    /// An image of the Characters API: `img_…`.
    ImageId
);
id!(
    /// A message of either API: `msg_…`.
    MessageId
);
id!(
    /// A fault of an account: `fault_1`.
    FaultId
);
id!(
    /// One request and its answer: `req_…`, or what the client sent as `x-request-id`.
    RequestId
);

/// What an account counts; most kinds have ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum IdKind {
    /// A request to either API.
    Request,
    /// A conversation of either API.
    Conversation,
    /// A message of either API, stored or not.
    Message,
    /// A change to a conversation, to order changes within a second. It has no id.
    Activity,
    /// An agent.
    Agent,
    /// An image.
    Image,
}

impl IdKind {
    /// Every kind, in the order of [`Counters`].
    pub const ALL: [Self; 6] = [
        Self::Request,
        Self::Conversation,
        Self::Message,
        Self::Activity,
        Self::Agent,
        Self::Image,
    ];

    /// The name in the database and in the hash of every id.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Conversation => "conversation",
            Self::Message => "message",
            Self::Activity => "activity",
            Self::Agent => "agent",
            Self::Image => "image",
        }
    }

    fn counter(self, counters: &Counters) -> &AtomicU64 {
        let [request, conversation, message, activity, agent, image] = &counters.0;
        match self {
            Self::Request => request,
            Self::Conversation => conversation,
            Self::Message => message,
            Self::Activity => activity,
            Self::Agent => agent,
            Self::Image => image,
        }
    }
}

/// How many of each [`IdKind`] an account has created.
#[derive(Debug, Default)]
struct Counters([AtomicU64; IdKind::ALL.len()]);

/// Generates the ids of one account.
#[derive(Debug)]
pub struct IdGenerator {
    draw: SeededRandom,
    made: Counters,
}

impl IdGenerator {
    /// A generator at the beginning.
    pub fn new(seed: u64, account: &AccountId) -> Self {
        Self { draw: SeededRandom::new(seed, account.as_str()), made: Counters::default() }
    }

    /// How many of `kind` were created.
    pub fn made(&self, kind: IdKind) -> u64 {
        kind.counter(&self.made).load(Ordering::Relaxed)
    }

    /// How many of each of `kinds` were created.
    pub fn made_each(&self, kinds: &[IdKind]) -> Vec<(IdKind, u64)> {
        kinds.iter().map(|kind| (*kind, self.made(*kind))).collect()
    }

    /// The same generator with these counts, and 0 for the other kinds.
    #[must_use]
    pub fn having_made(&self, made: &[(IdKind, u64)]) -> Self {
        let counters = Counters::default();
        for (kind, made) in made {
            kind.counter(&counters).store(*made, Ordering::Relaxed);
        }
        Self { draw: self.draw, made: counters }
    }

    /// Allocates the next ordinal of `kind`, counted from 1.
    pub fn next(&self, kind: IdKind) -> u64 {
        kind.counter(&self.made).fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Begins to allocate what one write needs.
    pub fn allocation(&self) -> IdAllocation<'_> {
        IdAllocation { ids: self, taken: Vec::new() }
    }

    /// Allocates a request id: `req_` and 20 base-62 characters.
    pub fn request(&self) -> RequestId {
        self.fresh("req_", IdKind::Request).into()
    }

    /// Allocates a message id: `msg_` and 20 base-62 characters.
    pub fn message(&self) -> MessageId {
        self.fresh("msg_", IdKind::Message).into()
    }

    fn fresh(&self, prefix: &str, kind: IdKind) -> String {
        self.id(prefix, kind.name(), self.next(kind))
    }

    fn id(&self, prefix: &str, what: &str, ordinal: u64) -> String {
        in_base62(prefix, self.draw.number(what, ordinal))
    }

    /// The id of the account's agent number `ordinal`, whose avatar shows `avatar`: `agent_` and
    /// 20 base-62 characters.
    pub fn agent(&self, ordinal: u64, avatar: &str) -> AgentId {
        self.id("agent_", &format!("{} {avatar}", IdKind::Agent.name()), ordinal).into()
    }

    /// The id of the account's image number `ordinal`, which shows `picture`: `img_` and 20
    /// base-62 characters.
    ///
    /// Pictures are found by id alone, in any account, and accounts may share a seed: so the id
    /// depends on the content.
    pub fn image(&self, ordinal: u64, picture: &str) -> ImageId {
        self.id("img_", &format!("{} {picture}", IdKind::Image.name()), ordinal).into()
    }

    /// The id of the account's conversation number `ordinal` in the Characters API: `conv_` and 20
    /// base-62 characters.
    pub fn characters_conversation(&self, ordinal: u64) -> ConversationId {
        self.id("conv_", IdKind::Conversation.name(), ordinal).into()
    }

    /// The id of the account's conversation number `ordinal` in the Runner API: a UUID v4.
    pub fn runner_conversation(&self, ordinal: u64) -> ConversationId {
        let random = self.draw.number(IdKind::Conversation.name(), ordinal).to_be_bytes();
        let uuid = uuid::Builder::from_random_bytes(random).into_uuid();
        ConversationId::from(uuid.hyphenated().to_string())
    }

    /// Random numbers that depend on the seed and the account only.
    pub fn draw(&self) -> SeededRandom {
        self.draw
    }
}

/// The ordinals that were allocated for one write.
#[derive(Debug)]
pub struct IdAllocation<'g> {
    ids: &'g IdGenerator,
    taken: Vec<(IdKind, u64)>,
}

impl IdAllocation<'_> {
    /// The ordinal of the next one of `kind`, counted from 1.
    pub fn next(&mut self, kind: IdKind) -> u64 {
        let ordinal = self.ids.next(kind);
        self.taken.push((kind, ordinal));
        ordinal
    }

    /// Allocates a message id: `msg_` and 20 base-62 characters.
    pub fn message(&mut self) -> MessageId {
        let ordinal = self.next(IdKind::Message);
        self.ids.id("msg_", IdKind::Message.name(), ordinal).into()
    }

    /// The highest ordinal of each kind.
    pub fn made(&self) -> Vec<(IdKind, u64)> {
        let mut made: Vec<(IdKind, u64)> = Vec::new();
        for (kind, ordinal) in &self.taken {
            match made.iter_mut().find(|(of, _)| of == kind) {
                Some((_, highest)) => *highest = *ordinal,
                None => made.push((*kind, *ordinal)),
            }
        }
        made
    }

    /// Gives back what a refused write did not use, as far as nothing was allocated since: a request
    /// that stores nothing leaves no gap between the ids of the requests before and after it.
    pub fn release(self) {
        for (kind, ordinal) in self.taken.into_iter().rev() {
            kind.counter(&self.ids.made).compare_exchange(
                ordinal,
                ordinal - 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ).ok();
        }
    }
}

/// The id and the key of the `number`th account that is created at run time.
pub fn account_and_key(seed: u64, number: u64) -> (AccountId, String) {
    let draw = SeededRandom::new(seed, "");
    let id = in_base62("acct_", draw.number("account", number));
    (AccountId::from(id), in_base62("mynah_", draw.number("key", number)))
}

/// Repeatable random numbers, derived from a seed and an account by keyed hashing.
#[derive(Debug, Clone, Copy)]
pub struct SeededRandom {
    seed: u64,
    account: u64,
}

impl SeededRandom {
    /// The numbers of `account` under `seed`.
    pub fn new(seed: u64, account: &str) -> Self {
        let mut hasher = SipHasher24::new_with_keys(seed, 0);
        hasher.write(account.as_bytes());
        Self { seed, account: hasher.finish128().h1 }
    }

    /// The number of draw `ordinal` for `what`.
    pub fn number(&self, what: &str, ordinal: u64) -> u128 {
        let mut hasher = SipHasher24::new_with_keys(self.seed, self.account);
        hasher.write(what.as_bytes());
        hasher.write_u8(0);
        hasher.write(&ordinal.to_le_bytes());
        hasher.finish128().as_u128()
    }

    /// Draw `ordinal` for `what`, uniform in `0..=most`.
    #[expect(clippy::expect_used, reason = "the remainder is at most `most`")]
    pub fn up_to(&self, most: u64, what: &str, ordinal: u64) -> u64 {
        let range = u128::from(most) + 1;
        u64::try_from(self.number(what, ordinal) % range).expect("it is at most `most`")
    }
}

/// An unpredictable seed, for servers started without `--seed`.
#[expect(clippy::disallowed_methods, reason = "the one place where chance comes from outside")]
pub fn random_seed() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    high ^ low.rotate_left(1)
}

/// `prefix` and 20 base-62 characters: 119 of the 128 bits of `number`.
#[expect(clippy::expect_used, reason = "remainders of 62 to the 10 and of 62 are small enough")]
fn in_base62(prefix: &str, number: u128) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const HALF: usize = 10;
    // Half of the digits fit into 64 bits, which divide many times faster than 128 bits.
    const HALF_RANGE: u128 = 62_u128.pow(10);
    let mut text = String::with_capacity(prefix.len() + 2 * HALF);
    text.push_str(prefix);
    for half in [number % HALF_RANGE, number / HALF_RANGE % HALF_RANGE] {
        let mut rest = u64::try_from(half).expect("62 to the 10 fits into 64 bits");
        for _ in 0..HALF {
            let digit = usize::try_from(rest % 62).expect("62 fits into usize");
            rest /= 62;
            text.push(char::from(*DIGITS.get(digit).expect("there are 62 digits")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minter(seed: u64, account: &str) -> IdGenerator {
        IdGenerator::new(seed, &AccountId::from(account))
    }

    #[test]
    fn the_same_seed_and_account_mint_the_same_ids() {
        let (one, two) = (minter(7, "demo"), minter(7, "demo"));
        assert_eq!(one.message(), two.message());
        assert_eq!(one.request(), two.request());
        assert_eq!(one.runner_conversation(3), two.runner_conversation(3));
    }

    #[test]
    fn seed_account_kind_and_ordinal_each_change_the_id() {
        let first = minter(7, "demo").message();
        assert_ne!(first, minter(8, "demo").message());
        assert_ne!(first, minter(7, "demo-free").message());
        assert_ne!(
            first.as_str().trim_start_matches("msg_"),
            minter(7, "demo").request().as_str().trim_start_matches("req_")
        );
        let demo = minter(7, "demo");
        assert_ne!(demo.message(), demo.message());
    }

    #[test]
    fn request_ids_are_req_and_20_base_62_characters() {
        let id = minter(1, "demo").request();
        let random = id.as_str().strip_prefix("req_").unwrap();
        assert_eq!(random.len(), 20);
        assert!(random.chars().all(|c| c.is_ascii_alphanumeric()));
    }

    #[test]
    fn runner_conversation_ids_are_uuids_of_version_4() {
        let id = minter(1, "demo").runner_conversation(1);
        let uuid: uuid::Uuid = id.as_str().parse().unwrap();
        assert_eq!(uuid.get_version_num(), 4);
    }

    #[test]
    fn minted_ids_stay_the_same_from_version_to_version() {
        assert_eq!(minter(42, "demo").message().as_str(), "msg_61paJfFeIeuIKM7gZP0N");
    }

    #[test]
    fn draws_stay_in_their_range() {
        let draw = SeededRandom::new(1, "demo");
        assert!((0..1000).all(|n| draw.up_to(9, "jitter", n) <= 9));
        assert_eq!(draw.up_to(0, "jitter", 1), 0);
    }
}
