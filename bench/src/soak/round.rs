//! A round: creates two accounts, sends every kind of request to them, and removes them.

use fastrand::Rng;
use hyper::Method;
use serde_json::{Value, json};

use super::client::{Client, RequestPlan};
use super::tally::Expectation;
use super::{Shared, agent_runs, control, faults, hostile, streams, wire};

/// An account of a round.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// Its id.
    pub(crate) id: String,
    /// Its key.
    pub(crate) key: String,
}

/// One round of one worker.
pub(crate) struct Round<'s> {
    pub(crate) shared: &'s Shared,
    pub(crate) client: Client<'s>,
    pub(crate) rng: Rng,
    /// The account whose requests must not fail.
    pub(crate) account: Account,
    /// The account whose requests fail by faults and templates.
    pub(crate) faulty: Account,
}

/// The steps of a round, each done once.
#[derive(Debug, Clone, Copy)]
enum Step {
    Samples,
    Pages,
    Streams,
    Replies,
    Clock,
    Triggers,
    AgentRuns,
    RequestLog,
    Snapshots,
    Pictures,
    Hostile,
    Large,
    Wire,
    Faults,
    Templates,
    Patterns,
}

impl Step {
    const ALL: [Self; 16] = [
        Self::Samples,
        Self::Pages,
        Self::Streams,
        Self::Replies,
        Self::Clock,
        Self::Triggers,
        Self::AgentRuns,
        Self::RequestLog,
        Self::Snapshots,
        Self::Pictures,
        Self::Hostile,
        Self::Large,
        Self::Wire,
        Self::Faults,
        Self::Templates,
        Self::Patterns,
    ];
}

impl Account {
    /// The control-plane path of the account, followed by `below`.
    pub(crate) fn path(&self, below: &str) -> String {
        format!("/_mynah/accounts/{}{below}", self.id)
    }
}

impl<'s> Round<'s> {
    /// Creates the accounts. All requests are determined by seed, worker and round.
    pub(crate) async fn begin(shared: &'s Shared, worker: u64, round: u64) -> anyhow::Result<Self> {
        let chance = shared.seed ^ (worker << 48) ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (mut client, mut rng) = (Client::new(shared), Rng::with_seed(chance));
        let (account, faulty) = (
            create_account(&mut client, &mut rng).await?,
            create_account(&mut client, &mut rng).await?,
        );
        Ok(Self { shared, client, rng, account, faulty })
    }

    /// Does every step once, in a random order, and removes the accounts.
    pub(crate) async fn all(mut self) -> anyhow::Result<()> {
        let mut steps = Step::ALL;
        self.rng.shuffle(&mut steps);
        // Open during all steps, and still when their account is removed.
        let background = [self.follower(), streams::half_open(&self)];
        let mut held = Vec::new();
        for plan in background {
            held.push(wire::open_and_wait(self.shared, &plan).await?);
        }
        for step in steps {
            self.step(step).await?;
        }
        for account in [self.account.clone(), self.faulty.clone()] {
            self.send(RequestPlan::new("account", Method::DELETE, account.path(""))).await?;
        }
        drop(held);
        Ok(())
    }

    async fn step(&mut self, step: Step) -> anyhow::Result<()> {
        match step {
            Step::Samples => self.samples().await,
            Step::Pages => self.pages().await,
            Step::Streams => streams::all(self).await,
            Step::Replies => control::replies(self).await,
            Step::Clock => control::clock(self).await,
            Step::Triggers => control::triggers(self).await,
            Step::AgentRuns => agent_runs::all(self).await,
            Step::RequestLog => control::request_log(self).await,
            Step::Snapshots => control::snapshots(self).await,
            Step::Pictures => self.pictures().await,
            Step::Hostile => hostile::bodies(self).await,
            Step::Large => hostile::large(self).await,
            Step::Wire => wire::all(self).await,
            Step::Faults => faults::all(self).await,
            Step::Templates => faults::templates(self).await,
            Step::Patterns => control::patterns(self).await,
        }
    }

    /// Sends a request and drops the response.
    pub(crate) async fn send(&mut self, plan: RequestPlan) -> anyhow::Result<()> {
        self.client.send(plan).await.map(drop)
    }

    /// A request that follows the account's request log.
    fn follower(&self) -> RequestPlan {
        RequestPlan::new("request log", Method::GET, self.account.path("/requests/stream"))
    }

    async fn samples(&mut self) -> anyhow::Result<()> {
        let key = self.account.key.clone();
        for sample in self.shared.samples.all(&key) {
            self.send(sample).await?;
        }
        Ok(())
    }

    /// Requests without an account: health, documents, the page, unknown paths.
    async fn pages(&mut self) -> anyhow::Result<()> {
        let pages = [
            "/_mynah/health",
            "/_mynah/metrics",
            "/_mynah/accounts",
            "/_mynah/docs",
            "/_mynah/docs/",
            "/_mynah/docs/page.css",
            "/_mynah/docs/page.js",
            "/_mynah/docs/swagger-ui.css",
            "/_mynah/docs/swagger-ui-bundle.js",
            "/_mynah/openapi/runner.yaml",
            "/_mynah/openapi/runner.json",
            "/_mynah/openapi/characters.yaml",
            "/_mynah/openapi/characters.json",
        ];
        for page in pages {
            self.send(RequestPlan::new("page", Method::GET, page)).await?;
        }
        let nothing = ["/", "/v1/runner", "/api/v1/nothing", "/_mynah/nothing", "/images/x.png"];
        for path in nothing {
            for method in [Method::GET, Method::PUT, Method::HEAD, Method::OPTIONS] {
                self.send(RequestPlan::new("nothing", method, path).expected(Expectation::Answer))
                    .await?;
            }
        }
        Ok(())
    }

    /// Creates and fetches pictures for prompts of different lengths.
    async fn pictures(&mut self) -> anyhow::Result<()> {
        for words in [1, 40, 400] {
            let prompt = format!("a red fox {}", self.rng.u32(..)).repeat(words);
            let body = json!({"prompt": prompt, "sd_model_id": "sd_model_456abc"});
            let image = RequestPlan::new("picture", Method::POST, "/api/v1/images").json(&body);
            let image = self.client.json(image.key(&self.account.key)).await?;
            let url = image.get("url").and_then(Value::as_str).unwrap_or_default();
            let path = url.find("/images/").and_then(|at| url.get(at..)).unwrap_or("/images/none");
            self.send(RequestPlan::new("picture", Method::GET, path)).await?;
        }
        Ok(())
    }
}

/// Creates an account with practically unlimited limits and balance.
async fn create_account(client: &mut Client<'_>, rng: &mut Rng) -> anyhow::Result<Account> {
    let seed = rng.u32(..);
    // Longer than a round; removes accounts that a failed round leaves.
    let body = json!({"from": "demo", "seed": seed, "balance": "1000000000", "ttl": 600});
    let made = RequestPlan::new("account", Method::POST, "/_mynah/accounts").json(&body);
    let made = client.json(made).await?;
    let text = |name: &str| made.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let account = Account { id: text("id"), key: text("key") };
    let limits = json!({"requests_per_minute": 1_000_000_000, "runner_requests_per_minute": null});
    let change = RequestPlan::new("account", Method::PATCH, account.path("")).json(&limits);
    client.send(change).await?;
    client.send(RequestPlan::new("account", Method::GET, account.path(""))).await?;
    Ok(account)
}
