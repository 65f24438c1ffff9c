//! The faults of an account (docs/control.md, "Faults").

use super::{Error, Fault, FaultId, Form};
use crate::app::AccountState;
use crate::app::faults;
use crate::domain::error::FieldError;
use crate::domain::fault_rule::FaultScope;
use crate::http::route_table;

/// The faults of an account: [`Account::faults`](super::Account::faults).
#[derive(Debug, Clone, Copy)]
pub struct Faults<'a>(pub(super) &'a AccountState);

/// A fault that was added, and its counts.
#[derive(Debug, Clone, PartialEq)]
pub struct AddedFault {
    /// The id.
    pub id: FaultId,
    /// The fault as it was given.
    pub fault: Fault,
    /// Requests that met its conditions.
    pub matched: u64,
    /// Requests that met its effect.
    pub fired: u64,
}

impl From<faults::ActiveFault> for AddedFault {
    fn from(faults::ActiveFault { id, compiled, hits }: faults::ActiveFault) -> Self {
        Self { id, fault: compiled.rule, matched: hits.matched, fired: hits.fired }
    }
}

impl Faults<'_> {
    /// Adds a fault after the others: a [`Fault`] or its JSON.
    pub fn add(&self, fault: impl Form<Fault>) -> Result<AddedFault, Error> {
        let compiled =
            fault.form()?.compile(FaultScope::Account, route_table()).map_err(FieldError::from)?;
        Ok(self.0.epoch().faults.add(compiled, self.0.clock.now()).into())
    }

    /// All faults, in the order in which they are tried.
    pub fn list(&self) -> Vec<AddedFault> {
        self.0.epoch().faults.all().into_iter().map(AddedFault::from).collect()
    }

    /// How many requests have met the effect of a fault.
    pub fn fired(&self, id: &FaultId) -> u64 {
        let all = self.0.epoch().faults.all();
        all.iter().find(|fault| fault.id == *id).map_or(0, |found| found.hits.fired)
    }

    /// Removes a fault.
    pub fn remove(&self, id: &FaultId) -> Result<(), Error> {
        Ok(self.0.epoch().faults.remove(id)?)
    }

    /// Removes all faults that were added; those of the fixtures stay.
    pub fn clear(&self) {
        self.0.epoch().faults.clear();
    }
}
