//! Charges and counters of accounts.

use std::collections::BTreeMap;

use super::statement::{Filled, Statement, Value};
use crate::domain::Credits;
use crate::ids::IdKind;
use crate::storage::AccountKey;

const CHARGES: Statement = Statement {
    before: "UPDATE accounts SET balance = balance - v.column2 FROM (",
    width: 2,
    after: ") v WHERE accounts.account = v.column1;",
};

const COUNTERS: Statement = Statement {
    before: "INSERT INTO counters (account, kind, made) SELECT * FROM (",
    width: 3,
    // Writes are not always stored in the order in which their ids were allocated.
    after: ") v WHERE v.column1 IS NOT NULL
            ON CONFLICT (account, kind) DO UPDATE SET made = MAX(made, excluded.made);",
};

/// Sums of charges, and the highest ordinals.
#[derive(Default)]
pub(in crate::storage::sqlite) struct AccountRows {
    charges: BTreeMap<AccountKey, i64>,
    counters: BTreeMap<(AccountKey, &'static str), u64>,
}

impl AccountRows {
    /// Subtracts `cost` from the balance.
    pub(in crate::storage::sqlite) fn charge(&mut self, owner: AccountKey, cost: Credits) {
        if cost > Credits::default() {
            let sum = self.charges.entry(owner).or_default();
            *sum = sum.saturating_add(cost.millionths());
        }
    }

    /// Raises the counters to `made`.
    pub(in crate::storage::sqlite) fn count(&mut self, owner: AccountKey, made: &[(IdKind, u64)]) {
        for (kind, made) in made {
            let highest = self.counters.entry((owner, kind.name())).or_default();
            *highest = (*highest).max(*made);
        }
    }

    pub(super) fn filled<'r>(self) -> [Filled<'r>; 2] {
        let charges =
            self.charges.into_iter().flat_map(|(owner, cost)| [owner.into(), cost.into()]);
        let counters = self
            .counters
            .into_iter()
            .flat_map(|((owner, kind), made)| [owner.into(), Value::text(kind), made.into()]);
        [(&CHARGES, charges.collect()), (&COUNTERS, counters.collect())]
    }
}
