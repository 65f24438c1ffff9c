//! The APIs that the checks are about.

/// One of the two APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `/v1/runner/…`
    Runner,
    /// `/api/v1/…`
    Characters,
}

impl Api {
    /// The first part of its checks' ids.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runner => "runner",
            Self::Characters => "characters",
        }
    }
}
