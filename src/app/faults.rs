//! The faults of an account: rules added at run time, and those attached to deployments and models.
//! Each account counts the hits of every rule.
//!
//! The fault of a request is chosen under a lock, and delays happen outside of it.
//! `domain::fault_rule` decides when a rule applies; `http::middleware::fault_injection` applies the
//! fault to the response.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::app::request_log::RequestTrace;
use crate::clock::Clock;
use crate::domain::fault_rule::{
    CompiledFault, ConnectionDrop, ErrorEnvelope, Fault, FaultAction, FaultContext, FaultRule, HitCount,
};
use crate::domain::Api;
use crate::ids::{FaultId, SeededRandom};

/// One account's faults.
#[derive(Debug, Default)]
pub struct AccountFaults {
    /// Whether there is any rule. Most accounts have none and need no lock.
    some: AtomicBool,
    own: Mutex<RunTimeFaults>,
    /// The attached rules and their counts, by the API and the id of the deployment or model.
    carried: Mutex<AttachedFaultCounts>,
}

/// Rules of the fixtures, each with its count.
pub type Counted = Vec<(FaultRule, HitCount)>;

/// The counts of rules of the fixtures, by the API and the id of the deployment or model.
pub type AttachedFaultCounts = HashMap<(Api, String), Counted>;

/// Rules made at run time.
#[derive(Debug, Clone, Default)]
pub struct RunTimeFaults {
    /// The number of the rule made last.
    pub made: u64,
    /// The rules that there are, in the order in which they are looked at.
    pub rules: Vec<ActiveFault>,
}

/// A rule made at run time, and how often it was met.
#[derive(Debug, Clone)]
pub struct ActiveFault {
    /// Its id.
    pub id: FaultId,
    /// The rule.
    pub armed: CompiledFault,
    /// Its count.
    pub tally: HitCount,
}

/// Rules of the fixtures, and what carries them.
#[derive(Debug, Clone, Copy)]
pub struct AttachedFaults<'a> {
    /// The id of the deployment or model.
    pub by: &'a str,
    /// Its rules.
    pub rules: &'a [CompiledFault],
}

impl AccountFaults {
    /// Adds a rule, behind those there are.
    pub fn add(&self, armed: CompiledFault, now: DateTime<Utc>) -> ActiveFault {
        let mut own = self.own.lock();
        own.made += 1;
        let id = FaultId::from(format!("fault_{}", own.made));
        let standing =
            ActiveFault { id, armed, tally: HitCount { since: Some(now), ..HitCount::default() } };
        own.rules.push(standing.clone());
        self.some.store(true, Ordering::Relaxed);
        standing
    }

    /// All rules made at run time, in the order in which they are looked at.
    pub fn all(&self) -> Vec<ActiveFault> {
        self.own.lock().rules.clone()
    }

    /// Takes a rule away.
    pub fn remove(&self, id: &FaultId) -> Result<(), UnknownFault> {
        let mut own = self.own.lock();
        let place = own.rules.iter().position(|standing| standing.id == *id);
        let place = place.ok_or_else(|| UnknownFault(id.clone()))?;
        own.rules.remove(place);
        self.some.store(!own.rules.is_empty(), Ordering::Relaxed);
        Ok(())
    }

    /// Takes all rules away that were made at run time.
    pub fn clear(&self) {
        let mut own = self.own.lock();
        own.rules.clear();
        self.some.store(false, Ordering::Relaxed);
    }

    /// The rules made at run time, and the counts of those of the fixtures, at one moment.
    pub fn capture(&self) -> (RunTimeFaults, AttachedFaultCounts) {
        let own = self.own.lock().clone();
        (own, self.carried.lock().clone())
    }

    /// Faults as they were captured; what is left out is as in `before`.
    pub fn restored(
        own: Option<RunTimeFaults>,
        carried: Option<AttachedFaultCounts>,
        before: &Self,
    ) -> Self {
        let own = own.unwrap_or_else(|| before.own.lock().clone());
        let carried = carried.unwrap_or_else(|| before.carried.lock().clone());
        let some = AtomicBool::new(!own.rules.is_empty());
        Self { some, own: Mutex::new(own), carried: Mutex::new(carried) }
    }

    /// The fault that a request meets: of the rules that fire for it, the first. Every rule counts
    /// it, whichever comes first.
    pub fn met(
        &self,
        asked: &FaultContext<'_>,
        carried: AttachedFaults<'_>,
        clock: &Clock,
        draw: SeededRandom,
    ) -> Option<Arc<Fault>> {
        let some = self.some.load(Ordering::Relaxed);
        if !some && carried.rules.is_empty() {
            return None;
        }
        let now = clock.now();
        let mut met = None;
        if some {
            for standing in &mut self.own.lock().rules {
                let chance = |number| chance(draw, standing.id.as_str(), number);
                if standing.armed.count(&mut standing.tally, asked, now, chance) && met.is_none() {
                    standing.tally.fired += 1;
                    met = Some(Arc::clone(&standing.armed.fault));
                }
            }
        }
        if !carried.rules.is_empty() {
            let mut all = self.carried.lock();
            let counted = all.entry((asked.api, carried.by.to_owned())).or_default();
            keep_up(counted, carried.rules);
            let counted = counted.iter_mut().map(|(_, tally)| tally);
            for (place, (armed, tally)) in carried.rules.iter().zip(counted).enumerate() {
                let chance = |number| chance(draw, &format!("{}[{place}]", carried.by), number);
                if armed.count(tally, asked, now, chance) && met.is_none() {
                    tally.fired += 1;
                    met = Some(Arc::clone(&armed.fault));
                }
            }
        }
        met
    }
}

/// Fixtures may change under way: a rule that is as it was keeps its count, any other begins one.
fn keep_up(counted: &mut Counted, rules: &[CompiledFault]) {
    if counted.iter().map(|(rule, _)| rule).eq(rules.iter().map(|armed| &armed.rule)) {
        return;
    }
    let known = std::mem::take(counted);
    counted.extend(rules.iter().map(|CompiledFault { rule, .. }| {
        let same = known.iter().find(|(known, _)| known == rule);
        (rule.clone(), same.map_or_else(HitCount::default, |(_, tally)| *tally))
    }));
}

/// A draw from 0 to just below 1.
#[expect(clippy::expect_used, reason = "no more than u32::MAX is drawn")]
fn chance(draw: SeededRandom, rule: &str, number: u64) -> f64 {
    let drawn = draw.up_to(u64::from(u32::MAX), &format!("fault {rule}"), number);
    f64::from(u32::try_from(drawn).expect("at most u32::MAX was drawn")) / (f64::from(u32::MAX) + 1.0)
}

/// The account has no such rule among those made at run time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no fault `{0}`")]
pub struct UnknownFault(pub FaultId);

/// Why an injected fault ends a request before it is answered.
#[derive(Debug, Error)]
pub enum InjectedError {
    /// The fault refuses the request.
    #[error("{}", reported_by(*status))]
    Refused {
        /// The HTTP status that the rule asks for.
        status: u16,
        /// The envelope that the rule asks for.
        envelope: Option<ErrorEnvelope>,
    },
    /// The account was reset or removed during the fault's delay.
    #[error("the account was reset while this request was being answered")]
    AccountEnded,
}

/// The message of an answer with `status`.
fn reported_by(status: u16) -> String {
    match status {
        401 => "the API key is not known".to_owned(),
        402 => "insufficient account balance".to_owned(),
        403 => "access is forbidden".to_owned(),
        404 => "not found".to_owned(),
        408 => "the request took too long".to_owned(),
        409 => "conflict with the present state".to_owned(),
        429 => "the rate limit is reached".to_owned(),
        500 => "internal error".to_owned(),
        502 => "bad gateway".to_owned(),
        503 => "the service is temporarily unavailable".to_owned(),
        504 => "gateway timeout".to_owned(),
        status => format!("the request failed with status {status}"),
    }
}

/// Applies the part of `fault` that precedes the response: its delay, and its refusal if it is one.
/// The rest is applied to the response. A delay ends with a refusal when the account is reset or
/// removed (`ended`).
pub async fn begin(
    fault: Arc<Fault>,
    clock: &Arc<Clock>,
    ended: &CancellationToken,
    trace: &RequestTrace,
) -> Result<(), InjectedError> {
    let fault = trace.set_fault(fault);
    if !fault.delay.is_zero() {
        tokio::select! {
            () = trace.delay(clock, fault.delay) => {}
            () = ended.cancelled() => return Err(InjectedError::AccountEnded),
        }
    }
    match fault.act {
        FaultAction::Refuse { status, envelope, .. } => {
            Err(InjectedError::Refused { status, envelope })
        }
        // The status is not sent: the connection is aborted before the response.
        FaultAction::Drop(ConnectionDrop::BeforeAnswer) => {
            Err(InjectedError::Refused { status: 500, envelope: None })
        }
        FaultAction::Wait
        | FaultAction::Drop(ConnectionDrop::AfterCommit)
        | FaultAction::Spoil(_)
        | FaultAction::Mistype(_)
        | FaultAction::Stream(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::fault_rule::{Carrier, FaultRule, RouteTable};

    fn armed(rule: Value) -> CompiledFault {
        let rule: FaultRule = serde_json::from_value(rule).unwrap();
        rule.compile(Carrier::Account, &RouteTable::sample()).unwrap()
    }

    #[test]
    fn a_rule_of_the_fixtures_keeps_its_count_as_long_as_it_is_the_same() {
        let faults = AccountFaults::default();
        let clock = Clock::frozen(DateTime::UNIX_EPOCH);
        let asked =
            FaultContext { api: Api::Runner, route: "/v1/runner/{id}", path: "", method: "POST" };
        let first = armed(json!({"times": 1, "effect": {"status": 500}}));
        let second = armed(json!({"times": 1, "effect": {"status": 502}}));
        let met = |rules: &[CompiledFault]| {
            let met = faults.met(
                &asked,
                AttachedFaults { by: "D", rules },
                &clock,
                SeededRandom::new(1, "demo"),
            );
            met.map(|fault| fault.act.clone())
        };
        let refused = |status| Some(FaultAction::Refuse { status, retry_after: None, envelope: None });
        assert_eq!(met(std::slice::from_ref(&first)), refused(500));
        assert_eq!(met(&[second.clone(), first.clone()]), refused(502));
        assert_eq!(met(&[second.clone(), first.clone()]), None);
        let changed = armed(json!({"times": 2, "effect": {"status": 500}}));
        assert_eq!(met(&[changed, second]), refused(500));
    }
}
