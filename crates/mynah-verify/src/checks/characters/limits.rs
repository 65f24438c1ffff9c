//! Plans, limits and balances.

use serde_json::json;

use super::{API, refused};
use crate::check::{Check, characters, choice};
use crate::context::{Credential, TestContext, escape_segment};
use crate::expect::{CheckFailure, Response};
use crate::need::Need;

/// The limits of the documented plans, in requests a minute.
const PLANS: [u64; 2] = [5, 100];
/// The highest limit that is tested by exceeding it.
const MAX_TESTED_LIMIT: u64 = 20;
/// How often a burst is repeated that was interrupted by the end of a window.
const MAX_BURSTS: u32 = 2;

const KEY: &[Need] = &[Need::Key];
const LIMITED: &[Need] = &[Need::LimitedKey];
const BROKE: &[Need] = &[Need::BrokeKey, Need::Model, Need::Spending];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "characters.limits.headers",
        title: "answers have X-RateLimit-Limit, -Remaining and -Reset",
        source: characters("the table of plans"),
        needs: KEY,
        run: |context| Box::pin(headers(context)),
    },
    Check {
        id: "characters.limits.plan",
        title: "the limit is that of a plan: 5 or 100",
        source: characters("the table of plans"),
        needs: KEY,
        run: |context| Box::pin(plan(context)),
    },
    Check {
        id: "characters.limits.count_down",
        title: "each request reduces the remaining ones by one",
        source: choice("Characters API: plans and limits"),
        needs: KEY,
        run: |context| Box::pin(count_down(context)),
    },
    Check {
        id: "characters.limits.enforced",
        title: "a request beyond the limit is refused",
        source: characters("the table of plans"),
        needs: LIMITED,
        run: |context| Box::pin(enforced(context)),
    },
    Check {
        id: "characters.limits.too_many",
        title: "a request beyond the limit is 429, with an error, Retry-After and 0 remaining",
        source: choice("Characters API: authentication and errors"),
        needs: LIMITED,
        run: |context| Box::pin(too_many(context)),
    },
    Check {
        id: "characters.balance.insufficient",
        title: "a message that the balance does not cover is refused: 402",
        source: characters("Errors"),
        needs: BROKE,
        run: |context| Box::pin(insufficient(context)),
    },
    Check {
        id: "characters.balance.nothing_kept",
        title: "a message that the balance does not cover is not stored",
        source: choice("Characters API: balance"),
        needs: BROKE,
        run: |context| Box::pin(nothing_kept(context)),
    },
];

fn rate_limit_headers(response: &Response) -> Result<[u64; 3], CheckFailure> {
    let number = |name: &str| {
        let value = response.header(name);
        value.parse().map_err(|_| {
            response.differs(format!("a whole number in {name}"), format!("{name}: {value}"))
        })
    };
    let [limit, remaining, reset] =
        ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(number);
    Ok([limit?, remaining?, reset?])
}

async fn headers(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.get_own("/models?type=llm").await?;
    let [limit, remaining, _] = rate_limit_headers(&response)?;
    response.check(remaining <= limit, format!("at most {limit} remaining"), remaining)
}

async fn plan(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.get_own("/models?type=llm").await?;
    let [limit, ..] = rate_limit_headers(&response)?;
    response.check(PLANS.contains(&limit), "a limit of 5 or 100", limit)
}

async fn count_down(context: &TestContext) -> Result<(), CheckFailure> {
    let mut before = rate_limit_headers(&context.get_own("/models?type=llm").await?)?;
    for last in [false, true] {
        let response = context.get_own("/models?type=llm").await?;
        let [_, remaining, reset] = rate_limit_headers(&response)?;
        let [_, remained, reset_before] = before;
        // Where a window ended in between, the next pair lies in one.
        if remaining <= remained || last || reset == reset_before {
            let expected = format!("{} remaining", remained.saturating_sub(1));
            return response.check(remaining + 1 == remained, expected, remaining);
        }
        before = [0, remaining, reset];
    }
    Ok(())
}

impl TestContext {
    /// The response to the first request beyond the limit.
    async fn beyond_the_limit(&self) -> Result<Response, CheckFailure> {
        let burst = async || {
            let mut last = self.limited().await?;
            for _ in 0..MAX_BURSTS {
                let Ok([limit, ..]) = rate_limit_headers(&last) else { break };
                if limit > MAX_TESTED_LIMIT {
                    let reason = format!("a limit of {limit} is too high to be tested");
                    return Err(CheckFailure::Blocked(reason));
                }
                for _ in 0..limit {
                    if last.status >= 400 {
                        return Ok(last);
                    }
                    last = self.limited().await?;
                }
            }
            Ok(last)
        };
        self.shared.beyond_the_limit.get_or_init(burst).await.clone()
    }

    async fn limited(&self) -> Result<Response, CheckFailure> {
        let options = self.signed(API, Credential::Limited)?.accept_rate_limit();
        self.send(API, reqwest::Method::GET, "/models?type=llm", options).await
    }

    /// The conversation of an account without money, and the response to a message in it.
    async fn message_without_money(&self) -> Result<(String, Response), CheckFailure> {
        let body = json!({"title": self.title("broke"), "llm_id": self.model()});
        let begin = async || self.post(API, Credential::Broke, "/conversations", &body).await;
        let created = self.shared.conversation_without_money.get_or_init(begin).await.clone();
        let created = created.map_err(CheckFailure::into_blocked)?;
        let id = created
            .created_json()
            .map_err(CheckFailure::into_blocked)?
            .non_empty_text("/id")?
            .to_owned();
        let path = format!("/conversations/{}/messages", escape_segment(&id));
        let response =
            self.post(API, Credential::Broke, &path, &json!({"content": "Hello?"})).await?;
        Ok((path, response))
    }
}

async fn enforced(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.beyond_the_limit().await?;
    rate_limit_headers(&response)?;
    let refused = (400..500).contains(&response.status);
    response.check(refused, "a refusal beyond the limit", format!("status {}", response.status))
}

async fn too_many(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.beyond_the_limit().await.map_err(CheckFailure::into_blocked)?;
    refused(&response, 429)?;
    let wait = response.header("retry-after");
    response.check(wait.parse::<u64>().is_ok(), "seconds in Retry-After", wait)?;
    let [_, remaining, _] = rate_limit_headers(&response)?;
    response.check(remaining == 0, "0 remaining", remaining)
}

async fn insufficient(context: &TestContext) -> Result<(), CheckFailure> {
    let (_, response) = context.message_without_money().await?;
    refused(&response, 402)
}

async fn nothing_kept(context: &TestContext) -> Result<(), CheckFailure> {
    let (path, response) = context.message_without_money().await?;
    response.status(&[402]).map_err(CheckFailure::into_blocked)?;
    let response = context.get(API, Credential::Broke, &path).await?;
    response.ok_json()?.is("", &json!([]))
}
