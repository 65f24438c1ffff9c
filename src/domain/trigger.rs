//! Triggers of the Runner API: content that runs and conversations start from until it expires.

use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde_json::Value;

use super::conversation::{Part, Variables};
use crate::clock::LAST;
use crate::ids::{ConversationId, DeploymentId, TriggerId};

/// The most triggers that an account has.
pub const MOST_TRIGGERS: u64 = 10_000;
/// The most bytes of an account's triggers together, see [`Trigger::bytes`].
pub const MOST_TRIGGER_BYTES: u64 = 64 * 1024 * 1024;

/// A stored trigger.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// `trg_…`.
    pub id: TriggerId,
    /// How many triggers its account had created when it was created, itself included.
    pub ordinal: u64,
    /// The deployment that it belongs to.
    pub deployment: DeploymentId,
    /// What a model is shown before the message of the request.
    pub content: Vec<Part>,
    /// Values for slots of the instructions; `None` if the client sent none.
    pub variables: Option<Variables>,
    /// The place in the client's user interface.
    pub ui_surface: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// From when on it cannot be used; `None` for never.
    pub expires_at: Option<DateTime<Utc>>,
    /// The latest conversation that was started from it.
    pub conversation: Option<ConversationId>,
    /// The number of the latest run that was started from it, among the runs of its account.
    pub workflow_log: Option<u64>,
}

impl Trigger {
    /// Whether it can no longer be used at `now`.
    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// What it counts for [`MOST_TRIGGER_BYTES`]: the length of the client's texts.
    pub fn bytes(&self) -> u64 {
        let part = |part: &Part| {
            let file = part.as_file().map_or(0, |file| file.mime_type.len() + file.file_uri.len());
            part.as_text().map_or(file, str::len)
        };
        let parts = self.content.iter().map(|it| PART + part(it)).sum::<usize>();
        let variables = self.variables.iter().flatten();
        let variables = variables.map(|(name, value)| name.len() + weight(value)).sum::<usize>();
        let surface = self.ui_surface.as_deref().map_or(0, str::len);
        u64::try_from(parts + variables + surface).unwrap_or(u64::MAX)
    }
}

/// The bytes that a part counts for in addition to its texts.
const PART: usize = 64;

/// The bytes of a JSON value: its texts, and some for each value.
fn weight(value: &Value) -> usize {
    const NODE: usize = 16;
    NODE + match value {
        Value::Null | Value::Bool(_) => 0,
        Value::Number(number) => number.as_str().len(),
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(name, it)| name.len() + weight(it)).sum(),
    }
}

/// The time `hours` after `start`, to the microsecond; no later than a clock can show. `hours` must be
/// positive.
pub fn expiry(start: DateTime<Utc>, hours: f64) -> DateTime<Utc> {
    const SECONDS_PER_HOUR: f64 = 3600.0;
    let life = Duration::try_from_secs_f64(hours * SECONDS_PER_HOUR).ok();
    let life = life.and_then(|life| TimeDelta::from_std(life).ok());
    let end = life.and_then(|life| start.checked_add_signed(life));
    end.map_or(LAST, |end| end.trunc_subsecs(6).min(LAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_has_fractions_of_an_hour_and_ends_with_the_clocks() {
        let start: DateTime<Utc> = "2026-03-24T09:00:00Z".parse().unwrap();
        for (hours, end) in [
            (24.0, "2026-03-25T09:00:00Z"),
            (0.5, "2026-03-24T09:30:00Z"),
            (1e-12, "2026-03-24T09:00:00Z"),
            (1e300, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(expiry(start, hours), end.parse::<DateTime<Utc>>().unwrap(), "{hours}");
        }
    }
}
