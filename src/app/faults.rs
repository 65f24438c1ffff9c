//! The faults of an account: those added at run time, and those attached to deployments and models. Each
//! account counts the hits of every fault.
//!
//! The fault of a request is chosen under a lock, and delays happen outside of it.
//! `domain::fault_rule` decides when a fault applies; `http::middleware::fault_injection` applies the
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
use crate::domain::Api;
use crate::domain::fault_rule::{
    CompiledFault, ConnectionDrop, ErrorEnvelope, Fault, FaultAction, FaultContext, FaultRule,
    HitCount,
};
use crate::ids::{FaultId, SeededRandom};

/// One account's faults.
#[derive(Debug, Default)]
pub struct AccountFaults {
    /// Whether any fault was added. Most accounts have none and need no lock.
    has_own: AtomicBool,
    own: Mutex<RunTimeFaults>,
    attached: Mutex<AttachedFaultCounts>,
}

/// The attached faults of a deployment or model, with their counts.
pub type CountedFaults = Vec<(FaultRule, HitCount)>;

/// The counts of attached faults, by the API and the id of the deployment or model.
pub type AttachedFaultCounts = HashMap<(Api, String), CountedFaults>;

/// Faults added at run time.
#[derive(Debug, Clone, Default)]
pub struct RunTimeFaults {
    /// How many faults were ever added, which is the number of the latest.
    pub added: u64,
    /// The present faults, in the order of their addition.
    pub faults: Vec<ActiveFault>,
}

/// A fault added at run time.
#[derive(Debug, Clone)]
pub struct ActiveFault {
    /// Its id, `fault_1` for the first.
    pub id: FaultId,
    /// The fault.
    pub compiled: CompiledFault,
    /// Its count.
    pub hits: HitCount,
}

/// The faults attached to a deployment or model.
#[derive(Debug, Clone, Copy)]
pub struct AttachedFaults<'a> {
    /// The id of the deployment or model.
    pub owner: &'a str,
    /// Its faults.
    pub faults: &'a [CompiledFault],
}

impl AccountFaults {
    /// Adds a fault after the present ones.
    pub fn add(&self, compiled: CompiledFault, now: DateTime<Utc>) -> ActiveFault {
        let mut own = self.own.lock();
        own.added += 1;
        let id = FaultId::from(format!("fault_{}", own.added));
        let hits = HitCount { since: Some(now), ..HitCount::default() };
        let fault = ActiveFault { id, compiled, hits };
        own.faults.push(fault.clone());
        self.has_own.store(true, Ordering::Relaxed);
        fault
    }

    /// The faults added at run time, in the order of their addition.
    pub fn all(&self) -> Vec<ActiveFault> {
        self.own.lock().faults.clone()
    }

    /// Removes a fault added at run time.
    pub fn remove(&self, id: &FaultId) -> Result<(), UnknownFault> {
        let mut own = self.own.lock();
        let index = own.faults.iter().position(|fault| fault.id == *id);
        own.faults.remove(index.ok_or_else(|| UnknownFault(id.clone()))?);
        self.has_own.store(!own.faults.is_empty(), Ordering::Relaxed);
        Ok(())
    }

    /// Removes all faults added at run time.
    pub fn clear(&self) {
        let mut own = self.own.lock();
        own.faults.clear();
        self.has_own.store(false, Ordering::Relaxed);
    }

    /// The faults added at run time, and the counts of the attached ones, at one moment.
    pub fn capture(&self) -> (RunTimeFaults, AttachedFaultCounts) {
        let own = self.own.lock().clone();
        (own, self.attached.lock().clone())
    }

    /// Restores captured faults; `None` keeps those of `before`.
    pub fn restored(
        own: Option<RunTimeFaults>,
        attached: Option<AttachedFaultCounts>,
        before: &Self,
    ) -> Self {
        let own = own.unwrap_or_else(|| before.own.lock().clone());
        let attached = attached.unwrap_or_else(|| before.attached.lock().clone());
        let has_own = AtomicBool::new(!own.faults.is_empty());
        Self { has_own, own: Mutex::new(own), attached: Mutex::new(attached) }
    }

    /// Counts a request against every fault, and returns the first that fires for it.
    pub fn choose(
        &self,
        request: &FaultContext<'_>,
        attached: AttachedFaults<'_>,
        clock: &Clock,
        random: SeededRandom,
    ) -> Option<Arc<Fault>> {
        let has_own = self.has_own.load(Ordering::Relaxed);
        if !has_own && attached.faults.is_empty() {
            return None;
        }
        let now = clock.now();
        let mut chosen = None;
        let mut count = |fault: &CompiledFault, hits: &mut HitCount, name: &str| {
            let draw = |number| fraction(random, name, number);
            if fault.count(hits, request, now, draw) && chosen.is_none() {
                hits.fired += 1;
                chosen = Some(Arc::clone(&fault.fault));
            }
        };
        if has_own {
            for ActiveFault { id, compiled, hits } in &mut self.own.lock().faults {
                count(compiled, hits, id.as_str());
            }
        }
        if !attached.faults.is_empty() {
            let mut all = self.attached.lock();
            let counted = all.entry((request.api, attached.owner.to_owned())).or_default();
            match_counts(counted, attached.faults);
            for (index, (fault, (_, hits))) in attached.faults.iter().zip(counted).enumerate() {
                count(fault, hits, &format!("{}[{index}]", attached.owner));
            }
        }
        chosen
    }
}

/// Makes `counted` the counts of `faults`, which a reload of the fixtures may have changed: an unchanged
/// fault keeps its count.
fn match_counts(counted: &mut CountedFaults, faults: &[CompiledFault]) {
    if counted.iter().map(|(rule, _)| rule).eq(faults.iter().map(|fault| &fault.rule)) {
        return;
    }
    let before = std::mem::take(counted);
    counted.extend(faults.iter().map(|CompiledFault { rule, .. }| {
        let same = before.iter().find(|(known, _)| known == rule);
        (rule.clone(), same.map_or_else(HitCount::default, |(_, hits)| *hits))
    }));
}

/// A random number from 0 to just below 1.
#[expect(clippy::expect_used, reason = "no more than u32::MAX is drawn")]
fn fraction(random: SeededRandom, fault: &str, number: u64) -> f64 {
    let drawn = random.up_to(u64::from(u32::MAX), &format!("fault {fault}"), number);
    f64::from(u32::try_from(drawn).expect("at most u32::MAX was drawn"))
        / (f64::from(u32::MAX) + 1.0)
}

/// The account has no such fault among those added at run time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no fault `{0}`")]
pub struct UnknownFault(pub FaultId);

/// Why an injected fault ends a request before it is answered.
#[derive(Debug, Error)]
pub enum InjectedError {
    /// The fault refuses the request.
    #[error("{}", refusal_message(*status))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The envelope, if the fault sets one.
        envelope: Option<ErrorEnvelope>,
    },
    /// The account was reset or removed during the fault's delay.
    #[error("the account was reset while this request was being answered")]
    AccountEnded,
}

fn refusal_message(status: u16) -> String {
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

/// Applies the part of `fault` that precedes the response: its delay, and its refusal if it is one. A
/// delay ends with an error when the account is reset or removed (`ended`).
pub async fn delay_or_refuse(
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
    match fault.action {
        FaultAction::Refuse { status, envelope, .. } => {
            Err(InjectedError::Refused { status, envelope })
        }
        // The status is not sent: the connection is aborted first.
        FaultAction::Drop(ConnectionDrop::BeforeAnswer) => {
            Err(InjectedError::Refused { status: 500, envelope: None })
        }
        FaultAction::DelayOnly
        | FaultAction::Drop(ConnectionDrop::AfterCommit)
        | FaultAction::CorruptBody(_)
        | FaultAction::SetContentType(_)
        | FaultAction::Stream(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::fault_rule::{FaultRule, FaultScope, RouteTable};

    fn compiled(rule: Value) -> CompiledFault {
        let rule: FaultRule = serde_json::from_value(rule).unwrap();
        rule.compile(FaultScope::Account, &RouteTable::sample()).unwrap()
    }

    #[test]
    fn an_attached_fault_keeps_its_count_while_it_is_unchanged() {
        let faults = AccountFaults::default();
        let clock = Clock::frozen(DateTime::UNIX_EPOCH);
        let request =
            FaultContext { api: Api::Runner, route: "/v1/runner/{id}", path: "", method: "POST" };
        let first = compiled(json!({"times": 1, "effect": {"status": 500}}));
        let second = compiled(json!({"times": 1, "effect": {"status": 502}}));
        let action = |attached: &[CompiledFault]| {
            let chosen = faults.choose(
                &request,
                AttachedFaults { owner: "D", faults: attached },
                &clock,
                SeededRandom::new(1, "demo"),
            );
            chosen.map(|fault| fault.action.clone())
        };
        let refused =
            |status| Some(FaultAction::Refuse { status, retry_after: None, envelope: None });
        assert_eq!(action(std::slice::from_ref(&first)), refused(500));
        assert_eq!(action(&[second.clone(), first.clone()]), refused(502));
        assert_eq!(action(&[second.clone(), first.clone()]), None);
        let changed = compiled(json!({"times": 2, "effect": {"status": 500}}));
        assert_eq!(action(&[changed, second]), refused(500));
    }
}
