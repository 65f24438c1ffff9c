//! Accounts, their keys, plans and credits.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::ids::{AccountId, ProjectId};

/// An account as the fixtures describe it.
#[derive(Debug, Clone)]
pub struct FixtureAccount {
    /// The id.
    pub id: AccountId,
    /// The project whose deployments it may use.
    pub project: ProjectId,
    /// The plan, which sets its limits.
    pub plan: Plan,
    /// The initial credits.
    pub balance: Credits,
    /// The keys, valid in both APIs.
    pub keys: Vec<ApiKey>,
}

/// A plan: the rate limits of an account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The id of the plan: `free`, `pro`.
    pub id: String,
    /// Requests per minute to the Characters API (characters.txt, plans and limits).
    #[schemars(range(min = 1))]
    pub requests_per_minute: u32,
    /// Requests per minute to the Runner API, which documents no limit; none by default.
    #[schemars(range(min = 1))]
    pub runner_requests_per_minute: Option<u32>,
}

/// A key as a client sends it. `Debug` prints no part of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key with this text.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The text of the key, for comparison and the start-up banner.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ApiKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// An amount of credits in whole millionths, so that sums are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Credits(i64);

impl Credits {
    const MILLIONTHS: i64 = 1_000_000;

    /// `millionths` of a credit.
    pub const fn from_millionths(millionths: i64) -> Self {
        Self(millionths)
    }

    /// Credits written as decimal text with at most six places: `12.5`.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
            return None;
        }
        let millionths: i64 = format!("{fraction:0<6}").parse().ok()?;
        let whole: i64 = whole.parse().ok()?;
        whole.checked_mul(Self::MILLIONTHS)?.checked_add(millionths).map(Self)
    }

    /// The amount in millionths of a credit.
    pub fn millionths(self) -> i64 {
        self.0
    }
}

/// Why text is not an amount of credits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an amount of credits: decimal text, at most six places")]
pub struct NotCredits(String);

impl std::str::FromStr for Credits {
    type Err = NotCredits;

    fn from_str(text: &str) -> Result<Self, NotCredits> {
        Self::parse(text).ok_or_else(|| NotCredits(text.to_owned()))
    }
}

impl fmt::Display for Credits {
    /// Decimal text without needless zeros: `12.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / Self::MILLIONTHS, self.0 % Self::MILLIONTHS);
        let fraction = format!("{:06}", fraction.abs());
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            fraction => write!(f, "{whole}.{fraction}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_printed() {
        assert_eq!(format!("{:?}", ApiKey::new("YOUR_API_KEY")), "ApiKey(…)");
    }

    #[test]
    fn credits_are_read_from_decimal_text_to_the_millionth() {
        let millionths = |text| Credits::parse(text).map(Credits::millionths);
        assert_eq!(millionths("12.5"), Some(12_500_000));
        assert_eq!(millionths("0.000001"), Some(1));
        assert_eq!(millionths("1000000"), Some(1_000_000_000_000));
        for wrong in ["", "-1", "1.", ".5", "1.0000001", "1e3", "99999999999999"] {
            assert_eq!(millionths(wrong), None, "{wrong}");
        }
    }
}
