//! Derives an account's state from its record and the fixtures.

use crate::domain::{FixtureAccount, Plan};
use crate::fixtures::Fixtures;
use crate::ids::IdGenerator;
use crate::storage::{AccountRecord, NewAccountRecord, PlanTerms};

/// The fixture account that the account is, or was copied from; `None` if the fixtures no longer
/// have it.
pub(super) fn original<'f>(
    record: &AccountRecord,
    fixtures: &'f Fixtures,
) -> Option<&'f FixtureAccount> {
    fixtures.account(record.made_from.as_ref().unwrap_or(&record.id).as_str())
}

/// The plan of an account that was copied from `original`, with its own limits; `None` if the
/// fixtures do not have the plan.
pub(super) fn plan(
    record: &AccountRecord,
    original: &FixtureAccount,
    fixtures: &Fixtures,
) -> Option<Plan> {
    let mut plan = original.plan.clone();
    if let Some(id) = &record.plan {
        plan = fixtures.plan(id, "plan").ok()?.clone();
    }
    plan.requests_per_minute = record.requests_per_minute.unwrap_or(plan.requests_per_minute);
    plan.runner_requests_per_minute =
        record.runner_requests_per_minute.or(plan.runner_requests_per_minute);
    Some(plan)
}

/// The account's id generator, at its start. Copies of the same account with the same seed of their own
/// get the same ids.
pub(super) fn id_generator(record: &AccountRecord, server_seed: u64) -> IdGenerator {
    match (record.seed, &record.made_from) {
        (Some(seed), Some(from)) => IdGenerator::new(seed, from),
        _ => IdGenerator::new(server_seed, &record.id),
    }
}

/// The plan as it is stored: only limits that differ from the plan of the fixtures, so that the
/// others follow it.
pub(super) fn terms(plan: &Plan, fixtures: &Fixtures) -> PlanTerms {
    let usual = fixtures.plan(&plan.id, "plan").ok();
    let usual = usual.map(|usual| (usual.requests_per_minute, usual.runner_requests_per_minute));
    let (characters, runner) = (plan.requests_per_minute, plan.runner_requests_per_minute);
    PlanTerms {
        plan: plan.id.clone(),
        requests_per_minute: Some(characters)
            .filter(|_| usual.is_none_or(|usual| usual.0 != characters)),
        runner_requests_per_minute: runner.filter(|_| usual.is_none_or(|usual| usual.1 != runner)),
    }
}

/// The record of a fixture account.
pub(super) fn of_fixtures(account: &FixtureAccount) -> NewAccountRecord {
    NewAccountRecord {
        id: account.id.clone(),
        balance: account.balance,
        made_from: None,
        api_key: None,
        seed: None,
        ttl: None,
        profile: None,
        plan: None,
        clock: None,
    }
}
