//! Bodies of the control plane. Unknown fields are refused with and without `--strict`, because a misspelt
//! one would have an unintended effect.

use axum::body::HttpBody as _;
use axum::extract::{FromRef, FromRequest, Request};
use serde::Deserialize;

use crate::http::extract::{Body, LARGEST_BODY, Strictness};
use crate::http::large_bodies::LargeBodies;
use crate::http::response::error::HttpError;

/// A JSON object.
pub(super) struct ControlBody<T, const LARGEST: usize = LARGEST_BODY>(pub(super) T);

/// A JSON object, or no body at all, which is the same as an object without fields.
pub(super) struct OptionalBody<T>(pub(super) T);

/// The body of a request without parameters.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoFields {}

/// Replaces the server's strictness.
struct AlwaysStrict(LargeBodies);

impl FromRef<AlwaysStrict> for Strictness {
    fn from_ref(_: &AlwaysStrict) -> Self {
        Self::Strict
    }
}

impl FromRef<AlwaysStrict> for LargeBodies {
    fn from_ref(AlwaysStrict(large): &AlwaysStrict) -> Self {
        large.clone()
    }
}

impl<S, T, const LARGEST: usize> FromRequest<S> for ControlBody<T, LARGEST>
where
    S: Sync,
    LargeBodies: FromRef<S>,
    T: for<'de> Deserialize<'de>,
{
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Self, HttpError> {
        let state = AlwaysStrict(LargeBodies::from_ref(state));
        let read = <Body<T, LARGEST> as FromRequest<AlwaysStrict>>::from_request(request, &state);
        let Body(value) = read.await?;
        Ok(Self(value))
    }
}

impl<S, T> FromRequest<S> for OptionalBody<T>
where
    S: Sync,
    LargeBodies: FromRef<S>,
    T: Default + for<'de> Deserialize<'de>,
{
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Self, HttpError> {
        if request.body().is_end_stream() {
            return Ok(Self(T::default()));
        }
        let ControlBody(value) = ControlBody::<T>::from_request(request, state).await?;
        Ok(Self(value))
    }
}
