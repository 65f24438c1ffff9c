//! The URL under which clients reach the server, for links in answers.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use url::Url;

use super::host;
use crate::domain::api::IMAGES;

/// The URL of `--public-url`, if given, without a slash at its end.
#[derive(Debug, Clone, Default)]
pub struct PublicUrl(Option<Arc<str>>);

impl PublicUrl {
    /// The URL under which clients reach the server, if it is known.
    pub fn new(url: Option<&Url>) -> Self {
        Self(url.map(|url| url.as_str().trim_end_matches('/').into()))
    }
}

/// The URL that links in an answer begin with: the public one, else that of the request's `Host`.
#[derive(Debug, Clone)]
pub(super) struct BaseUrl(Arc<str>);

impl BaseUrl {
    /// The URL, without a slash at its end.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of the image `id`.
    pub(super) fn image(&self, id: &str) -> String {
        format!("{}{IMAGES}/{id}.png", self.0)
    }
}

impl<S: Sync> FromRequestParts<S> for BaseUrl
where
    PublicUrl: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        if let PublicUrl(Some(url)) = PublicUrl::from_ref(state) {
            return Ok(Self(url));
        }
        let scheme = parts.uri.scheme_str().filter(|scheme| *scheme == "https").unwrap_or("http");
        let host = host::addressed(&parts.uri, &parts.headers).unwrap_or("localhost");
        Ok(Self(format!("{scheme}://{host}").into()))
    }
}
