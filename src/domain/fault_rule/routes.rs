//! The routes that conditions of faults can name. `http` creates the table from its own routes.

use super::conditions::{is_parameter, is_streamed};
use super::{FaultAction, FaultConditions};
use crate::domain::api::Api;
use crate::domain::path::decoded;

/// The most characters of a route that are compared with others to find the closest ones.
const COMPARED: usize = 200;
/// How many of the closest routes an error names.
const CLOSEST: usize = 3;

/// A route of one of the two APIs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its API.
    pub api: Api,
    /// Its path, `/v1/runner/{deployment_id}`.
    pub path: &'static str,
    /// The methods that it has a handler for.
    pub methods: Vec<&'static str>,
}

/// All routes of the two APIs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteTable(Vec<Route>);

/// What a fault is attached to, which limits its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultScope<'a> {
    /// An account or a model: all routes.
    Account,
    /// The deployment with this id: the routes that have it in their path.
    Deployment(&'a str),
}

impl RouteTable {
    /// A table of `routes`.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        Self(routes.into_iter().collect())
    }

    /// The route of requests to `wanted`. A parameter of a route may be written as such or as a value.
    /// Of several routes it is the one that a router prefers: where they first differ, it has no
    /// parameter.
    pub fn resolve(&self, wanted: &str) -> Option<&Route> {
        let fitting = self.0.iter().filter(|route| fits(route.path, wanted));
        fitting.min_by_key(|route| route.path.split('/').map(is_parameter).collect::<Vec<_>>())
    }

    /// The route `name`, with any names of its parameters.
    pub fn named(&self, name: &str) -> Option<&Route> {
        let is_named = |route: &&Route| {
            let parts = route.path.split('/').zip(name.split('/'));
            parts.into_iter().all(|(part, wanted)| is_parameter(part) == is_parameter(wanted))
        };
        self.resolve(name).filter(is_named)
    }

    /// The paths that are closest to `wanted`, separated by commas.
    pub fn closest_to(&self, wanted: &str) -> String {
        let wanted: String = wanted.chars().take(COMPARED).collect();
        let mut all: Vec<_> =
            self.0.iter().map(|route| (distance(route.path, &wanted), route.path)).collect();
        all.sort_by_key(|(distance, _)| *distance);
        all.into_iter().take(CLOSEST).map(|(_, path)| path).collect::<Vec<_>>().join(", ")
    }

    /// The methods of all routes, each once, in alphabetical order.
    pub fn methods(&self) -> Vec<&'static str> {
        methods(&self.0)
    }

    /// The methods of the routes of `api`, each once, in alphabetical order.
    pub fn methods_of(&self, api: Api) -> Vec<&'static str> {
        methods(self.0.iter().filter(|route| route.api == api))
    }

    /// The routes for whose requests `when` can hold, except for its method.
    pub(super) fn matching(&self, when: &FaultConditions, scope: FaultScope<'_>) -> Vec<&Route> {
        let named = when.route.as_deref();
        let resolved = named.map(|wanted| self.resolve(wanted));
        let matches = |route: &&Route| {
            when.api.is_none_or(|api| api == route.api)
                && resolved.is_none_or(|resolved| resolved == Some(*route))
                && scope.includes(route, named)
        };
        self.0.iter().filter(matches).collect()
    }
}

impl Route {
    /// Whether `action` can change an answer of this route.
    pub(super) fn allows(&self, action: &FaultAction) -> bool {
        action.applies_to(is_streamed(self.path))
    }
}

impl FaultScope<'_> {
    /// Whether requests to `route`, with the parameters' values in `named`, can be in this scope.
    fn includes(self, route: &Route, named: Option<&str>) -> bool {
        let Self::Deployment(id) = self else { return true };
        let place = route.path.split('/').position(|part| part == "{deployment_id}");
        place.is_some_and(|place| {
            let filled = named.and_then(|named| named.split('/').nth(place));
            filled.is_none_or(|part| is_parameter(part) || decoded(part) == id)
        })
    }
}

/// The methods of `routes`, each once, in alphabetical order.
fn methods<'r>(routes: impl IntoIterator<Item = &'r Route>) -> Vec<&'static str> {
    let mut methods: Vec<_> =
        routes.into_iter().flat_map(|route| route.methods.iter().copied()).collect();
    methods.sort_unstable();
    methods.dedup();
    methods
}

/// Whether `wanted` is `path`, with its parameters or with values for them.
fn fits(path: &str, wanted: &str) -> bool {
    path.split('/').count() == wanted.split('/').count()
        && path.split('/').zip(wanted.split('/')).all(|(part, wanted)| {
            part == wanted || is_parameter(part) && (is_parameter(wanted) || is_segment(wanted))
        })
}

/// Whether `text` can be a segment of a request's path.
fn is_segment(text: &str) -> bool {
    let is_invalid = |c: char| matches!(c, '{' | '}' | '?' | '#') || c.is_whitespace();
    !text.is_empty() && !text.contains(is_invalid)
}

/// How much `wanted` differs from `path`: edits of segments other than parameters, and some for each
/// segment too many or too few.
fn distance(path: &str, wanted: &str) -> usize {
    const PART: usize = 3;
    let (path, wanted) = (path.trim_start_matches('/'), wanted.trim_start_matches('/'));
    let parts = path.split('/').zip(wanted.split('/')).map(|(part, wanted)| {
        if is_parameter(part) && !wanted.is_empty() { 0 } else { strsim::levenshtein(part, wanted) }
    });
    let count = |text: &str| text.split('/').count();
    parts.sum::<usize>() + PART * count(path).abs_diff(count(wanted))
}

#[cfg(test)]
impl RouteTable {
    /// A few routes, for tests without a server.
    pub(crate) fn sample() -> Self {
        let route = |path, methods: &[&'static str]| Route {
            api: if path < "/v1" { Api::Characters } else { Api::Runner },
            path,
            methods: methods.to_vec(),
        };
        Self::new([
            route("/v1/runner/{deployment_id}", &["POST"]),
            route("/v1/runner/{deployment_id}/stream", &["POST"]),
            route("/v1/runner/{deployment_id}/conversations", &["GET"]),
            route("/v1/runner/conversations", &["GET"]),
            route("/api/v1/models", &["GET"]),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_resolved_as_a_router_does() {
        let table = RouteTable::sample();
        for (wanted, route) in [
            ("/v1/runner/{id}", Some("/v1/runner/{deployment_id}")),
            ("/v1/runner/A", Some("/v1/runner/{deployment_id}")),
            ("/v1/runner/conversations", Some("/v1/runner/conversations")),
            ("/v1/runner/conversations/stream", Some("/v1/runner/{deployment_id}/stream")),
            ("/v1/runner/A/streams", None),
            ("/v1/runner/A/", None),
            ("/v1/runner/", None),
            ("/v1/runner/{deployment_id", None),
            ("/v1/runner/conversations?page=2", None),
            ("/v1/runner/A B", None),
        ] {
            assert_eq!(table.resolve(wanted).map(|found| found.path), route, "{wanted}");
        }
    }

    #[test]
    fn the_closest_routes_are_those_that_were_meant() {
        let table = RouteTable::sample();
        for (wanted, closest) in [
            ("/v1/runner/YOUR_DEPLOYMENT_ID/streams", "/v1/runner/{deployment_id}/stream"),
            ("/v1/runner/{deployment_id}/", "/v1/runner/{deployment_id}"),
            ("v1/runner/A/conversation", "/v1/runner/{deployment_id}/conversations"),
        ] {
            let found = table.closest_to(wanted);
            assert_eq!(found.split(", ").next(), Some(closest), "{wanted}");
            assert_eq!(found.split(", ").count(), CLOSEST);
        }
        assert!(table.closest_to(&"/x".repeat(5_000_000)).len() < 200);
    }
}
