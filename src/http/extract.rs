//! Extractors of bodies and paths. Their errors name the part that is wrong.
//!
//! [`Body`] reads a JSON object within limits ([`json`]). [`Object`] takes JSON objects only; serde's
//! derive would also take an array of the fields. [`InPath`] is a parameter of the path.

mod json;
mod reading;
mod values;

use std::borrow::Cow;
use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::Value;

pub(super) use self::json::Object;
pub(crate) use self::json::from_json;
use self::json::parse;
use self::reading::read;
use super::context::RequestContext;
use super::large_bodies::LargeBodies;
use super::response::error::HttpError;
use crate::domain::error::{FieldError, FieldErrorKind};

/// The largest body, in bytes.
pub(super) const LARGEST_BODY: usize = 10 * 1024 * 1024;
/// The most JSON values in a body: more than any client needs, and a few megabytes when parsed.
const MOST_VALUES: usize = 100_000;
/// The most JSON values in a snapshot, which may be larger than other bodies.
const MOST_VALUES_OF_LARGER: usize = 2_000_000;
/// Whether fields that are not documented are refused (`--strict`) or ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// Refused.
    Strict,
    /// Ignored.
    Lenient,
}

/// A request's body: a JSON object read as `T`.
#[derive(Debug)]
pub(super) struct Body<T, const LARGEST: usize = LARGEST_BODY>(pub(super) T);

impl<S, T, const LARGEST: usize> FromRequest<S> for Body<T, LARGEST>
where
    S: Sync,
    Strictness: FromRef<S>,
    LargeBodies: FromRef<S>,
    T: for<'de> Deserialize<'de>,
{
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Self, HttpError> {
        let body = AnyBody::<Object<T>, LARGEST>::from_request(request, state).await?;
        let AnyBody(Object(value)) = body;
        Ok(Self(value))
    }
}

/// A request's body: any JSON that `T` accepts.
#[derive(Debug)]
pub(super) struct AnyBody<T, const LARGEST: usize = LARGEST_BODY>(pub(super) T);

impl<S, T, const LARGEST: usize> FromRequest<S> for AnyBody<T, LARGEST>
where
    S: Sync,
    Strictness: FromRef<S>,
    LargeBodies: FromRef<S>,
    T: for<'de> Deserialize<'de>,
{
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Self, HttpError> {
        if !is_json(request.headers()) {
            return Err(HttpError::NotJson);
        }
        let context = Arc::clone(RequestContext::of(request.extensions()));
        let (bytes, permit) = read(request, LARGEST, &LargeBodies::from_ref(state)).await?;
        context.record_body(&bytes);
        context.hold_large_body(permit);
        let max_values = if LARGEST > LARGEST_BODY { MOST_VALUES_OF_LARGER } else { MOST_VALUES };
        parse(&bytes, max_values, Strictness::from_ref(state)).map(Self)
    }
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    sent.is_some_and(|sent| {
        let essence = sent.split_once(';').map_or(sent, |(essence, _)| essence);
        essence.trim().eq_ignore_ascii_case("application/json")
    })
}

/// A field that should hold a whole number (`5`, or `5.0`), not checked yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WholeNumber(Value);

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self)
    }
}

impl WholeNumber {
    /// The number, if it is in `range`; the error says which numbers `field` takes.
    pub(super) fn within(
        &self,
        range: RangeInclusive<u64>,
        field: &str,
    ) -> Result<u64, FieldError> {
        let number = self.0.as_u64().or_else(|| {
            let float = self.0.as_f64().filter(|float| float.fract() == 0.0)?;
            // A whole float prints without a fraction, so its text is the number.
            format!("{float:.0}").parse().ok()
        });
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let (min, max) = (range.start(), range.end());
            let which = match *max {
                u64::MAX => format!("of {min} or more"),
                max => format!("from {min} to {max}"),
            };
            let kind = if self.0.is_number() {
                FieldErrorKind::BadValue
            } else {
                FieldErrorKind::WrongType
            };
            FieldError::new(field, kind, format!("{field} must be a whole number {which}"))
        })
    }
}

/// The parameters of the route with the segments of the path that they stand for, percent-decoded. Every
/// parameter is a whole segment. A segment that is not UTF-8 once decoded is read as empty: it names
/// nothing.
fn path_parameters(parts: &Parts) -> impl Iterator<Item = (&str, String)> {
    let route = RequestContext::of(&parts.extensions).taken_route();
    let segments = route.split('/').zip(parts.uri.path().split('/'));
    segments.filter_map(|(part, sent)| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        let decoded = percent_decode_str(sent).decode_utf8();
        Some((name, decoded.map_or_else(|_| String::new(), Cow::into_owned)))
    })
}

/// The segment of the path that the route calls `name`.
#[expect(clippy::expect_used, reason = "handlers ask for parameters of their routes")]
pub(super) fn segment(parts: &Parts, name: &str) -> String {
    let found = path_parameters(parts).find(|(parameter, _)| *parameter == name);
    found.expect("the route has this parameter").1
}

/// The next of `parameters` as a `T`.
#[expect(clippy::expect_used, reason = "handlers ask for parameters of their routes")]
fn next_as<'p, T: From<String>>(parameters: &mut impl Iterator<Item = (&'p str, String)>) -> T {
    T::from(parameters.next().expect("the route has this parameter").1)
}

/// The first parameter of the route, which is the only one of most routes.
#[derive(Debug)]
pub(super) struct InPath<T>(pub(super) T);

impl<S: Send + Sync, T: From<String>> FromRequestParts<S> for InPath<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(next_as(&mut path_parameters(parts))))
    }
}

/// The first two parameters of the route.
#[derive(Debug)]
pub(super) struct PairInPath<A, B>(pub(super) A, pub(super) B);

impl<S: Send + Sync, A: From<String>, B: From<String>> FromRequestParts<S> for PairInPath<A, B> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let mut parameters = path_parameters(parts);
        Ok(Self(next_as(&mut parameters), next_as(&mut parameters)))
    }
}
