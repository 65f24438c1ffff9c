//! Whether the conditions of a fault hold for a request.

use chrono::{DateTime, Utc};

use super::{Burst, FaultConditions};
use crate::domain::api::Api;
use crate::domain::path::decoded;

/// The facts of a request that conditions check.
#[derive(Debug, Clone, Copy)]
pub struct FaultContext<'a> {
    /// The API.
    pub api: Api,
    /// The route, with its parameters: `/v1/runner/{deployment_id}`.
    pub route: &'a str,
    /// The path; only its end is compared.
    pub path: &'a str,
    /// The method.
    pub method: &'a str,
}

impl FaultContext<'_> {
    /// Whether the answer, if there is one, is streamed.
    pub fn streamed(&self) -> bool {
        is_streamed(self.route)
    }

    /// Whether `wanted` is this request's route; a parameter may be written as its value in the path.
    fn is_at(&self, wanted: &str) -> bool {
        let count = |text: &str| text.split('/').count();
        let parts = self.route.rsplit('/').zip(wanted.rsplit('/'));
        // Routers remove prefixes of the path, so it is read from its end. Prefixes have no parameters.
        let mut path = self.path.rsplit('/');
        count(self.route) == count(wanted)
            && parts.into_iter().all(|(part, wanted)| {
                let actual = path.next();
                part == wanted
                    || is_parameter(part)
                        && (is_parameter(wanted)
                            || actual.is_some_and(|actual| decoded(actual) == decoded(wanted)))
            })
    }
}

/// Whether a segment of a route is a parameter.
pub(super) fn is_parameter(part: &str) -> bool {
    part.starts_with('{') && part.ends_with('}')
}

/// Whether the answers of a route are streamed.
pub(super) fn is_streamed(route: &str) -> bool {
    route.ends_with("/stream")
}

impl FaultConditions {
    /// Whether API, method and route are those of `request`.
    pub(super) fn matches(&self, request: &FaultContext<'_>) -> bool {
        self.api.is_none_or(|api| api == request.api)
            && self.method.as_deref().is_none_or(|method| method == request.method)
            && self.route.as_deref().is_none_or(|route| request.is_at(route))
    }

    /// Whether `nth` and `every` select the matched request of this number.
    pub(super) fn selects(&self, number: u64) -> bool {
        match (self.nth, self.every) {
            (None, None) => true,
            (Some(nth), None) => number == nth,
            (None, Some(every)) => number.is_multiple_of(every),
            (Some(nth), Some(every)) => {
                number.checked_sub(nth).is_some_and(|later| later.is_multiple_of(every))
            }
        }
    }
}

impl Burst {
    /// Whether `now` is in a period of which the first began at `since`.
    pub(super) fn is_active(self, since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let [every, lasting] = [self.every, self.r#for].map(|seconds| {
            let most = i64::MAX / 1000;
            i64::try_from(seconds).unwrap_or(most).min(most) * 1000
        });
        (now - since).num_milliseconds().rem_euclid(every.max(1)) < lasting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(route: &'a str, path: &'a str) -> FaultContext<'a> {
        FaultContext { api: Api::Runner, route, path, method: "POST" }
    }

    #[test]
    fn a_route_is_given_with_its_parameters_or_with_their_values() {
        let stream = request("/v1/runner/{deployment_id}/stream", "/A/stream");
        for (wanted, matches) in [
            ("/v1/runner/{deployment_id}/stream", true),
            ("/v1/runner/{id}/stream", true),
            ("/v1/runner/A/stream", true),
            ("/v1/runner/%41/stream", true),
            ("/v1/runner/B/stream", false),
            ("/v1/runner/{id}", false),
            ("/api/v1/{id}/stream", false),
        ] {
            assert_eq!(stream.is_at(wanted), matches, "{wanted}");
        }
        let encoded = request("/v1/runner/{deployment_id}", "/v1/runner/MY%5fID");
        assert!(encoded.is_at("/v1/runner/MY_ID") && encoded.is_at("/v1/runner/MY%5FID"));
        let list = request("/v1/runner/conversations", "/conversations");
        assert!(!list.is_at("/v1/runner/{deployment_id}"));
    }

    #[test]
    fn nth_and_every_select_requests_by_number() {
        let selected = |nth, every| {
            let when = FaultConditions { nth, every, ..FaultConditions::default() };
            (1..=8).filter(|number| when.selects(*number)).collect::<Vec<u64>>()
        };
        assert_eq!(selected(None, None), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(selected(Some(3), None), [3]);
        assert_eq!(selected(None, Some(3)), [3, 6]);
        assert_eq!(selected(Some(3), Some(2)), [3, 5, 7]);
    }

    #[test]
    fn bursts_repeat_after_and_before_the_first() {
        let at = |seconds: i64| DateTime::from_timestamp(1_700_000_007 + seconds, 0).unwrap();
        let burst = Burst { every: 30, r#for: 5 };
        for (second, active) in
            [(0, true), (4, true), (5, false), (29, false), (30, true), (-1, false)]
        {
            assert_eq!(burst.is_active(at(0), at(second)), active, "{second}");
        }
        assert!(Burst { every: u64::MAX, r#for: 1 }.is_active(at(0), at(0)));
    }
}
