//! What is to go wrong in an account (docs/control.md, "Faults").

use super::{Error, Fault, FaultId, Form};
use crate::app::AccountState;
use crate::app::faults;
use crate::domain::error::FieldError;
use crate::domain::fault_rule::Carrier;
use crate::http::route_table;

/// An account's faults: [`Account::faults`](super::Account::faults).
#[derive(Debug, Clone, Copy)]
pub struct Faults<'a>(pub(super) &'a AccountState);

/// A fault that was added, and how often it was met.
#[derive(Debug, Clone, PartialEq)]
pub struct AddedFault {
    /// Its id.
    pub id: FaultId,
    /// The fault as it was written.
    pub fault: Fault,
    /// Requests that it was for.
    pub matched: u64,
    /// Those that met its effect.
    pub fired: u64,
}

impl From<faults::ActiveFault> for AddedFault {
    fn from(faults::ActiveFault { id, armed, tally }: faults::ActiveFault) -> Self {
        Self { id, fault: armed.rule, matched: tally.matched, fired: tally.fired }
    }
}

impl Faults<'_> {
    /// Adds a fault, behind those there are: a [`Fault`], or its JSON.
    pub fn add(&self, fault: impl Form<Fault>) -> Result<AddedFault, Error> {
        let armed =
            fault.form()?.compile(Carrier::Account, route_table()).map_err(FieldError::from)?;
        Ok(self.0.epoch().faults.add(armed, self.0.clock.now()).into())
    }

    /// All of them, in the order in which they are looked at.
    pub fn list(&self) -> Vec<AddedFault> {
        self.0.epoch().faults.all().into_iter().map(AddedFault::from).collect()
    }

    /// How often a fault's effect was met so far.
    pub fn fired(&self, id: &FaultId) -> u64 {
        let all = self.0.epoch().faults.all();
        all.iter().find(|standing| standing.id == *id).map_or(0, |found| found.tally.fired)
    }

    /// Takes one away.
    pub fn remove(&self, id: &FaultId) -> Result<(), Error> {
        Ok(self.0.epoch().faults.remove(id)?)
    }

    /// Takes all away that were added; those of the fixtures stay.
    pub fn clear(&self) {
        self.0.epoch().faults.clear();
    }
}
