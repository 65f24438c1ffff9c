//! How answers look where the published material differs or leaves it open.

use std::convert::Infallible;

use axum::extract::{FromRef as _, FromRequestParts};
use axum::http::request::Parts;
use chrono::{DateTime, Utc};

use crate::clock;
use crate::domain::Profile;
use crate::http::Shared;
use crate::http::context::RequestContext;

/// The choices where the documents of this API leave a rendering open or differ from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// The error envelope.
    pub errors: ErrorStyle,
    /// How the content of a stored message is shown.
    pub message_content: MessageContent,
    /// How times are shown.
    pub times: TimeFormat,
}

impl Style {
    /// The style of a profile.
    pub fn of(profile: Profile) -> Self {
        match profile {
            Profile::Documents => Self {
                errors: ErrorStyle::OpenAi,
                message_content: MessageContent::Text,
                times: TimeFormat::Seconds,
            },
            Profile::Current => Self {
                errors: ErrorStyle::FastApi,
                message_content: MessageContent::Parts,
                times: TimeFormat::Micros,
            },
        }
    }

    /// The style of the request's account, or `of_server` if the account has no profile of its own or
    /// is not known.
    pub(crate) fn of_request(context: &RequestContext, of_server: Self) -> Self {
        context.account().and_then(|account| account.profile).map_or(of_server, Self::of)
    }

    /// `time` as text.
    pub(super) fn time(self, time: DateTime<Utc>) -> String {
        match self.times {
            TimeFormat::Seconds => clock::rfc3339(time),
            TimeFormat::Micros => time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
        }
    }
}

/// The style of the request's account: this must follow the account's extractor.
impl FromRequestParts<Shared> for Style {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Infallible> {
        let context = RequestContext::of(&parts.extensions);
        Ok(Self::of_request(context, Self::from_ref(shared)))
    }
}

/// How times are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2026-03-24T09:00:00Z`.
    Seconds,
    /// `2026-03-24T09:00:00.250000`: microseconds, without a zone.
    Micros,
}

/// The documented error envelopes (notes.md, "Errors").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorStyle {
    /// `{"error": {"type", "message", "param", "code"}}`.
    OpenAi,
    /// `{"detail": …}`; 422 with `loc`, `msg` and `type` for validation.
    FastApi,
}

/// How the content of a stored message is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageContent {
    /// A string for text alone, an array of parts for a message with a file.
    Text,
    /// Always an array of parts.
    Parts,
}
