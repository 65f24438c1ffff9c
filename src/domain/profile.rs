//! Profiles of the Runner API.

/// The form of the Runner API's answers where its published documents differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As in the four documents: text content, whole seconds, envelope 1.
    Documents,
    /// As in the newest public material: content parts, microseconds without a zone, envelopes 2 and 3.
    Current,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 2] = [Self::Documents, Self::Current];

    /// The name in options, in the control plane and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Current => "current",
        }
    }

    /// The profile with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }
}
