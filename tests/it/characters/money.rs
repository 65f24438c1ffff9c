//! Money is neither made nor lost: whatever is asked for, alone or at once, the balance and the
//! charges add up to what there was, to the millionth, and the balance never goes below zero.
//!
//! Each charge is computed here, from the documented prices and the tokens of the texts.

use futures::future::join_all;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::TestApp;

/// In millionths: the account's balance in the fixtures below.
const BALANCE: i64 = 60_000;
/// What the model of fixed counts says it was shown and answered, in tokens.
const FIXED: u64 = 7 + 5;
const SYSTEM_PROMPT: &str = "You are terse.";
/// Requests at once, each with a conversation of its own to speak in.
const AT_ONCE: usize = 4;

const FIXTURES: &str = r#"
plan = [{ id = "open", requests_per_minute = 1000000 }]
account = [{ id = "payer", project = "p", plan = "open", balance = "0.06", keys = ["payer_key"] }]
sd_model = [
    { id = "sd_tiny", name = "Tiny", cost_per_image = "0.000001" },
    { id = "sd_cent", name = "Cent", cost_per_image = "0.01" },
]
rule = [
    { when = { model = "llm_fixed" }, reply = [{ text = "Done.", input_tokens = 7, output_tokens = 5 }] },
]

[[llm]]
id = "llm_echo"
name = "Echo"
max_context = 100000
cost_per_1k_tokens = "0.07"
backend = "echo"

[[llm]]
id = "llm_odd"
name = "Odd"
max_context = 100000
cost_per_1k_tokens = "0.000333"
backend = "echo"

[[llm]]
id = "llm_fixed"
name = "Fixed"
max_context = 100000
cost_per_1k_tokens = "0.25"
"#;

#[derive(Debug, Clone, Copy)]
enum Llm {
    Echo,
    Odd,
    Fixed,
}

#[derive(Debug, Clone, Copy)]
enum Sd {
    Tiny,
    Cent,
}

/// One request.
#[derive(Debug, Clone)]
enum Operation {
    Complete { llm: Llm, text: String },
    Say { llm: Llm, text: String },
    Draw { sd: Sd, into_conversation: bool },
    MakeAgent { sd: Sd },
    Invalid { nth: usize },
}

/// What is wrong with each of the invalid requests.
fn invalid(nth: usize) -> (u16, &'static str, Value) {
    let hi = json!([{"role": "user", "content": "Hi"}]);
    let all = [
        (400, "/completions", json!({"messages": [], "llm_id": "llm_echo"})),
        (404, "/completions", json!({"messages": hi, "llm_id": "llm_none"})),
        (400, "/images", json!({"prompt": "x", "sd_model_id": "llm_echo"})),
        (
            404,
            "/images",
            json!({"prompt": "x", "sd_model_id": "sd_cent", "conversation_id": "conv_none"}),
        ),
        (400, "/agents", json!({"name": "A", "sd_model_id": "sd_cent", "age": 3})),
        (404, "/conversations/conv_none/messages", json!({"content": "Hi"})),
    ];
    all[nth % all.len()].clone()
}

impl Llm {
    fn id(self) -> &'static str {
        match self {
            Self::Echo => "llm_echo",
            Self::Odd => "llm_odd",
            Self::Fixed => "llm_fixed",
        }
    }

    /// Input and output tokens at the price of a thousand, what is begun of a millionth counting
    /// whole.
    fn cost(self, tokens: u64) -> i64 {
        let price_of_1k = match self {
            Self::Echo => 70_000,
            Self::Odd => 333,
            Self::Fixed => 250_000,
        };
        i64::try_from((tokens * price_of_1k).div_ceil(1000)).unwrap()
    }

    /// What it answers.
    fn answer(self, text: &str) -> &str {
        match self {
            Self::Echo | Self::Odd => text,
            Self::Fixed => "Done.",
        }
    }
}

impl Sd {
    fn id(self) -> &'static str {
        match self {
            Self::Tiny => "sd_tiny",
            Self::Cent => "sd_cent",
        }
    }

    fn cost(self) -> i64 {
        match self {
            Self::Tiny => 1,
            Self::Cent => 10_000,
        }
    }
}

/// A conversation as it should be.
#[derive(Default)]
struct Conversation {
    id: String,
    messages: usize,
    /// The tokens of its messages.
    tokens: u64,
}

impl Conversation {
    /// The path of the messages in it.
    fn path(&self) -> String {
        format!("/conversations/{}/messages", self.id)
    }

    /// What `operation` costs, and with which status it is answered when there is the money.
    fn price(&self, operation: &Operation) -> (i64, u16) {
        let priced = |llm: Llm, shown: u64, text: &str| match llm {
            Llm::Fixed => llm.cost(FIXED),
            Llm::Echo | Llm::Odd => llm.cost(shown + o200k::count(text) + o200k::count(text)),
        };
        match operation {
            Operation::Complete { llm, text } => {
                (priced(*llm, o200k::count(SYSTEM_PROMPT), text), 200)
            }
            Operation::Say { llm, text } => {
                (priced(*llm, o200k::count(SYSTEM_PROMPT) + self.tokens, text), 201)
            }
            Operation::Draw { sd, .. } | Operation::MakeAgent { sd } => (sd.cost(), 201),
            Operation::Invalid { nth } => (0, invalid(*nth).0),
        }
    }

    fn request(&self, operation: &Operation) -> (String, Value) {
        match operation {
            Operation::Complete { llm, text } => {
                let messages = json!([
                    {"role": "system", "content": SYSTEM_PROMPT},
                    {"role": "user", "content": text},
                ]);
                ("/completions".to_owned(), json!({"messages": messages, "llm_id": llm.id()}))
            }
            Operation::Say { llm, text } => {
                (self.path(), json!({"content": text, "llm_id": llm.id()}))
            }
            Operation::Draw { sd, into_conversation } => {
                let conversation = into_conversation.then_some(&self.id);
                let body =
                    json!({"prompt": "x", "sd_model_id": sd.id(), "conversation_id": conversation});
                ("/images".to_owned(), body)
            }
            Operation::MakeAgent { sd } => {
                ("/agents".to_owned(), json!({"name": "A", "sd_model_id": sd.id(), "age": 40}))
            }
            Operation::Invalid { nth } => {
                let (_, path, body) = invalid(*nth);
                (path.to_owned(), body)
            }
        }
    }

    /// `operation` was done.
    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Say { llm, text } => {
                self.messages += 2;
                self.tokens += o200k::count(text) + o200k::count(llm.answer(text));
            }
            Operation::Draw { into_conversation: true, .. } => {
                self.messages += 1;
                self.tokens += 256;
            }
            Operation::Draw { .. }
            | Operation::Complete { .. }
            | Operation::MakeAgent { .. }
            | Operation::Invalid { .. } => {}
        }
    }
}

fn operations() -> impl Strategy<Value = Vec<Vec<Operation>>> {
    let llm = prop::sample::select(vec![Llm::Echo, Llm::Odd, Llm::Fixed]);
    let sd = prop::sample::select(vec![Sd::Tiny, Sd::Cent]);
    let text = "[a-z]{1,9}( [a-z]{1,9}){0,12}";
    let operation = prop_oneof![
        3 => (llm.clone(), text).prop_map(|(llm, text)| Operation::Complete { llm, text }),
        4 => (llm, text).prop_map(|(llm, text)| Operation::Say { llm, text }),
        2 => (sd.clone(), any::<bool>())
            .prop_map(|(sd, into_conversation)| Operation::Draw { sd, into_conversation }),
        1 => sd.prop_map(|sd| Operation::MakeAgent { sd }),
        1 => any::<usize>().prop_map(|nth| Operation::Invalid { nth }),
    ];
    prop::collection::vec(prop::collection::vec(operation, 1..=AT_ONCE), 1..20)
}

async fn assert_charges_add_up(batches: Vec<Vec<Operation>>) {
    let app = TestApp::with_fixtures(&[("money.toml", FIXTURES)]).await;
    let api = app.characters_as("payer_key");
    let mut conversations = Vec::new();
    for _ in 0..AT_ONCE {
        let body = json!({"title": "T", "llm_id": "llm_odd", "system_prompt": SYSTEM_PROMPT});
        let id = api.create_conversation(&body).await.created_id();
        conversations.push(Conversation { id, ..Conversation::default() });
    }
    let mut balance = app.balance("payer").await;
    assert_eq!(balance, BALANCE);
    let (mut images, mut agents) = (0, 0);
    for batch in batches {
        let requests: Vec<(String, Value)> = conversations
            .iter()
            .zip(&batch)
            .map(|(own, operation)| own.request(operation))
            .collect();
        let asked = requests.iter().zip(&batch).map(|((path, body), operation)| {
            let request = api.post(path, body);
            if matches!(operation, Operation::Invalid { .. }) {
                request.deliberately_invalid()
            } else {
                request
            }
        });
        let answers = join_all(asked.map(IntoFuture::into_future)).await;
        let mut charges = 0;
        let mut refused = Vec::new();
        for ((own, operation), answer) in conversations.iter_mut().zip(&batch).zip(answers) {
            let (cost, status) = own.price(operation);
            if answer.status == 402 {
                answer.error_message(402);
                refused.push(cost);
                continue;
            }
            assert_eq!(answer.status.as_u16(), status, "{operation:?}: {}", answer.body);
            charges += cost;
            own.apply(operation);
            images += usize::from(matches!(operation, Operation::Draw { .. }));
            agents += usize::from(matches!(operation, Operation::MakeAgent { .. }));
        }
        let left = app.balance("payer").await;
        assert_eq!(left + charges, balance, "{batch:?}");
        assert!(left >= 0);
        // The balance never rises: who was refused could not be paid for afterwards either.
        assert!(refused.iter().all(|cost| *cost > left), "{refused:?} with {left} left");
        balance = left;
    }
    let page = api.list_images("").await.good();
    assert_eq!(page["pagination"]["total_items"], images);
    assert_eq!(api.list_agents().await.array().len(), agents);
    for own in &conversations {
        assert_eq!(api.get(&own.path()).await.array().len(), own.messages);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn balance_and_charges_add_up_to_the_millionth(batches in operations()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(assert_charges_add_up(batches));
    }
}
