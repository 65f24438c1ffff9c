//! Plans, limits and balances.

use serde_json::json;

use super::{API, refused};
use crate::verify::expect::{Seen, Unmet};
use crate::verify::fact::{Fact, Need, characters, choice};
use crate::verify::probe::{Probe, Who, escaped};

/// The limits that the documents' plans have, in requests a minute.
const PLANS: [u64; 2] = [5, 100];
/// The highest limit that is tried out.
const TRIED: u64 = 20;
/// How often a burst is tried that a window's end comes in between of.
const BURSTS: u32 = 2;

const KEY: &[Need] = &[Need::Key];
const LIMITED: &[Need] = &[Need::LimitedKey];
const BROKE: &[Need] = &[Need::BrokeKey, Need::Model, Need::Spending];

pub(super) const FACTS: &[Fact] = &[
    Fact {
        id: "characters.limits.headers",
        title: "answers tell X-RateLimit-Limit, -Remaining and -Reset",
        source: characters("the table of plans"),
        needs: KEY,
        check: |probe| Box::pin(headers(probe)),
    },
    Fact {
        id: "characters.limits.plan",
        title: "the limit is that of a plan: 5 or 100",
        source: characters("the table of plans"),
        needs: KEY,
        check: |probe| Box::pin(plan(probe)),
    },
    Fact {
        id: "characters.limits.count_down",
        title: "each request takes one from what remains",
        source: choice("Characters API: plans and limits"),
        needs: KEY,
        check: |probe| Box::pin(count_down(probe)),
    },
    Fact {
        id: "characters.limits.enforced",
        title: "a request beyond the limit is refused",
        source: characters("the table of plans"),
        needs: LIMITED,
        check: |probe| Box::pin(enforced(probe)),
    },
    Fact {
        id: "characters.limits.too_many",
        title: "a request beyond the limit is 429, with an error, Retry-After and nothing remaining",
        source: choice("Characters API: authentication and errors"),
        needs: LIMITED,
        check: |probe| Box::pin(too_many(probe)),
    },
    Fact {
        id: "characters.balance.insufficient",
        title: "without the money a message is refused: 402",
        source: characters("Errors"),
        needs: BROKE,
        check: |probe| Box::pin(insufficient(probe)),
    },
    Fact {
        id: "characters.balance.nothing_kept",
        title: "of a message that the money does not cover, nothing is kept",
        source: choice("Characters API: balance"),
        needs: BROKE,
        check: |probe| Box::pin(nothing_kept(probe)),
    },
];

fn numbers(seen: &Seen) -> Result<[u64; 3], Unmet> {
    let number = |name: &str| {
        let value = seen.header(name);
        value.parse().map_err(|_| {
            seen.differs(format!("a whole number in {name}"), format!("{name}: {value}"))
        })
    };
    let [limit, remaining, reset] =
        ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(number);
    Ok([limit?, remaining?, reset?])
}

async fn headers(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.look("/models?type=llm").await?;
    let [limit, remaining, _] = numbers(&seen)?;
    seen.check(remaining <= limit, format!("at most {limit} remaining"), remaining)
}

async fn plan(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.look("/models?type=llm").await?;
    let [limit, ..] = numbers(&seen)?;
    seen.check(PLANS.contains(&limit), "a limit of 5 or 100", limit)
}

async fn count_down(probe: &Probe) -> Result<(), Unmet> {
    let mut before = numbers(&probe.look("/models?type=llm").await?)?;
    for last in [false, true] {
        let seen = probe.look("/models?type=llm").await?;
        let [_, remaining, reset] = numbers(&seen)?;
        let [_, remained, reset_before] = before;
        // Where a window ended in between, the next pair lies in one.
        if remaining <= remained || last || reset == reset_before {
            let expected = format!("{} remaining", remained.saturating_sub(1));
            return seen.check(remaining + 1 == remained, expected, remaining);
        }
        before = [0, remaining, reset];
    }
    Ok(())
}

impl Probe {
    /// The answer to one request more than the limit lets through.
    async fn beyond_the_limit(&self) -> Result<Seen, Unmet> {
        let burst = async || {
            let mut last = self.limited().await?;
            for _ in 0..BURSTS {
                let Ok([limit, ..]) = numbers(&last) else { break };
                if limit > TRIED {
                    let reason = format!("a limit of {limit} is too high to be tried out");
                    return Err(Unmet::Blocked(reason));
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
        self.memo.beyond_the_limit.get_or_init(burst).await.clone()
    }

    async fn limited(&self) -> Result<Seen, Unmet> {
        let ask = self.signed(API, Who::Limited)?.meeting_the_limit();
        self.send(API, reqwest::Method::GET, "/models?type=llm", ask).await
    }

    /// The conversation of an account without money, and what became of a message in it.
    async fn without_money(&self) -> Result<(String, Seen), Unmet> {
        let body = json!({"title": self.title("broke"), "llm_id": self.model()});
        let begin = async || self.post(API, Who::Broke, "/conversations", &body).await;
        let made = self.memo.broke.get_or_init(begin).await.clone();
        let made = made.map_err(Unmet::into_ground)?;
        let id = made.made().map_err(Unmet::into_ground)?.filled("/id")?.to_owned();
        let path = format!("/conversations/{}/messages", escaped(&id));
        let seen = self.post(API, Who::Broke, &path, &json!({"content": "Hello?"})).await?;
        Ok((path, seen))
    }
}

async fn enforced(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.beyond_the_limit().await?;
    numbers(&seen)?;
    let refused = (400..500).contains(&seen.status);
    seen.check(refused, "a refusal beyond the limit", format!("status {}", seen.status))
}

async fn too_many(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.beyond_the_limit().await.map_err(Unmet::into_ground)?;
    refused(&seen, 429)?;
    let wait = seen.header("retry-after");
    seen.check(wait.parse::<u64>().is_ok(), "seconds in Retry-After", wait)?;
    let [_, remaining, _] = numbers(&seen)?;
    seen.check(remaining == 0, "0 remaining", remaining)
}

async fn insufficient(probe: &Probe) -> Result<(), Unmet> {
    let (_, seen) = probe.without_money().await?;
    refused(&seen, 402)
}

async fn nothing_kept(probe: &Probe) -> Result<(), Unmet> {
    let (path, seen) = probe.without_money().await?;
    seen.status(&[402]).map_err(Unmet::into_ground)?;
    let seen = probe.get(API, Who::Broke, &path).await?;
    seen.good()?.is("", &json!([]))
}
