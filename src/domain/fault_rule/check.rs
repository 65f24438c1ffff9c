//! Checks a rule and its conditions, and compiles it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{CompiledFault, FaultConditions, FaultRule, FaultScope, Route, RouteTable};
use crate::domain::Api;
use crate::domain::error::{self, FieldError};

/// The longest time in seconds: a day.
pub(super) const DAY: u64 = 24 * 60 * 60;

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRuleError {
    /// The field, by its path in the rule: `effect.status`.
    pub field: &'static str,
    /// What is wrong, continuing the name of the field: `must be …`.
    pub message: String,
}

impl From<FaultRuleError> for FieldError {
    fn from(FaultRuleError { field, message }: FaultRuleError) -> Self {
        Self::new(field, error::FieldErrorKind::BadValue, format!("{field} {message}"))
    }
}

impl FaultRuleError {
    pub(super) fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

/// Checks that `number`, if it is set, is in `range`.
pub(super) fn within(
    number: Option<u64>,
    range: RangeInclusive<u64>,
    field: &'static str,
) -> Result<Option<u64>, FaultRuleError> {
    match number {
        Some(number) if !range.contains(&number) => {
            let which = match *range.end() {
                u64::MAX => format!("of {} or more", range.start()),
                max => format!("from {} to {max}", range.start()),
            };
            Err(FaultRuleError::new(field, format!("must be a whole number {which}")))
        }
        number => Ok(number),
    }
}

impl FaultRule {
    /// Checks the rule; fails if no request in `scope` can ever get its effect.
    pub fn compile(
        self,
        scope: FaultScope<'_>,
        routes: &RouteTable,
    ) -> Result<CompiledFault, FaultRuleError> {
        self.when.check()?;
        within(self.times, 1..=u64::MAX, "times")?;
        let matching = self.when.matching_routes(scope, routes)?;
        let fault = self.effect.fault()?;
        let is_runner = |route: &&Route| route.api == Api::Runner;
        if self.effect.envelope.is_some() && !matching.iter().any(is_runner) {
            let message = "is for the Runner API, and `when` lets none of its requests through";
            return Err(FaultRuleError::new("effect.envelope", message));
        }
        if !matching.iter().any(|route| route.allows(&fault.action)) {
            let message = if fault.action.applies_to(true) {
                "is for streams, and `when` lets none through"
            } else {
                "is for answers in one piece, and `when` lets none through"
            };
            return Err(FaultRuleError::new(fault.action.field(), message));
        }
        Ok(CompiledFault { rule: self, fault: Arc::new(fault) })
    }
}

impl FaultConditions {
    fn check(&self) -> Result<(), FaultRuleError> {
        within(self.nth, 1..=u64::MAX, "when.nth")?;
        within(self.every, 1..=u64::MAX, "when.every")?;
        if self.probability.is_some_and(|probability| !(0.0..=1.0).contains(&probability)) {
            return Err(FaultRuleError::new("when.probability", "must be a number from 0 to 1"));
        }
        let burst = self.burst.unwrap_or(super::Burst { every: DAY, r#for: DAY });
        within(Some(burst.every), 1..=DAY, "when.burst.every")?;
        within(Some(burst.r#for), 1..=burst.every, "when.burst.for")?;
        Ok(())
    }

    /// The routes for whose requests the conditions can hold: at least one.
    fn matching_routes<'r>(
        &self,
        scope: FaultScope<'_>,
        routes: &'r RouteTable,
    ) -> Result<Vec<&'r Route>, FaultRuleError> {
        let wrong_route = |message| Err(FaultRuleError::new("when.route", message));
        if let Some(wanted) = &self.route {
            let Some(route) = routes.resolve(wanted) else {
                let closest = routes.closest_to(wanted);
                return wrong_route(format!("is not a route of the two APIs; closest: {closest}"));
            };
            if let Some(api) = self.api.filter(|api| *api != route.api) {
                let (is, wanted) = (route.api.name(), api.name());
                return wrong_route(format!("is a route of the {is} API, not of the {wanted} API"));
            }
        }
        let mut matching = routes.matching(self, scope);
        if matching.is_empty() {
            return wrong_route("is not a route of the deployment that has this fault".to_owned());
        }
        let Some(method) = self.method.as_deref() else { return Ok(matching) };
        let methods = routes.methods();
        if !methods.contains(&method) {
            return Err(FaultRuleError::new(
                "when.method",
                format!("must be {}", methods.join(" or ")),
            ));
        }
        matching.retain(|route| route.methods.contains(&method));
        match (matching.is_empty(), &self.route) {
            (false, _) => Ok(matching),
            (true, Some(route)) => {
                let message = format!("is {method}, which the route {route} does not answer to");
                Err(FaultRuleError::new("when.method", message))
            }
            (true, None) => {
                let message = format!("is {method}, which no route here answers to");
                Err(FaultRuleError::new("when.method", message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::fault_rule::Effect;

    fn wrong(rule: Value) -> (&'static str, String) {
        let rule: FaultRule = serde_json::from_value(rule).unwrap();
        let wrong = rule.compile(FaultScope::Account, &RouteTable::sample()).unwrap_err();
        (wrong.field, wrong.message)
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        for (rule, field) in [
            (json!({"effect": {}}), "effect"),
            (json!({"effect": {"status": 200}}), "effect.status"),
            (json!({"effect": {"status": 600}}), "effect.status"),
            (json!({"effect": {"retry_after": 1}}), "effect.retry_after"),
            (json!({"effect": {"status": 503, "retry_after": 100_000}}), "effect.retry_after"),
            (json!({"effect": {"envelope": "openai"}}), "effect.envelope"),
            (
                json!({
                    "when": {"api": "characters"},
                    "effect": {"status": 503, "envelope": "detail_object"},
                }),
                "effect.envelope",
            ),
            (json!({"effect": {"delay_ms": 0}}), "effect.delay_ms"),
            (json!({"effect": {"repeat_chunk": 0}}), "effect.repeat_chunk"),
            (json!({"effect": {"split_character": false}}), "effect.split_character"),
            (json!({"effect": {"content_type": "a\nb"}}), "effect.content_type"),
            (json!({"effect": {"status": 503, "body": "empty"}}), "effect.body"),
            (json!({"times": 0, "effect": {"status": 503}}), "times"),
            (json!({"when": {"nth": 0}, "effect": {"status": 503}}), "when.nth"),
            (json!({"when": {"every": 0}, "effect": {"status": 503}}), "when.every"),
            (json!({"when": {"probability": 1.5}, "effect": {"status": 503}}), "when.probability"),
            (json!({"when": {"method": "PUT"}, "effect": {"status": 503}}), "when.method"),
            (json!({"when": {"route": "runs"}, "effect": {"status": 503}}), "when.route"),
            (
                json!({"when": {"burst": {"every": 5, "for": 6}}, "effect": {"status": 503}}),
                "when.burst.for",
            ),
        ] {
            assert_eq!(wrong(rule.clone()).0, field, "{rule}");
        }
    }

    #[test]
    fn conditions_that_never_hold_are_refused() {
        let run = "/v1/runner/{deployment_id}";
        for (when, field) in [
            (json!({"route": "/v1/runner/{deployment_id}/streams"}), "when.route"),
            (json!({"route": "/v1/runner/{deployment_id}/"}), "when.route"),
            (json!({"route": "/v1/runner/"}), "when.route"),
            (json!({"route": run, "api": "characters"}), "when.route"),
            (json!({"route": run, "method": "GET"}), "when.method"),
            (json!({"route": "/v1/runner/conversations", "method": "POST"}), "when.method"),
            (json!({"api": "characters", "method": "POST"}), "when.method"),
        ] {
            let rule = json!({"when": when, "effect": {"status": 503}});
            assert_eq!(wrong(rule).0, field, "{when}");
        }
    }

    #[test]
    fn every_method_that_a_route_has_can_be_named() {
        let path = "/api/v1/conversations/{id}";
        let route = Route { api: Api::Characters, path, methods: vec!["GET", "PATCH"] };
        let routes = RouteTable::new([route]);
        let check = |method| {
            let rule = json!({"when": {"method": method}, "effect": {"status": 503}});
            let rule: FaultRule = serde_json::from_value(rule).unwrap();
            rule.compile(FaultScope::Account, &routes).map(|_| ()).map_err(|wrong| wrong.message)
        };
        assert_eq!(check("PATCH"), Ok(()));
        assert_eq!(check("POST"), Err("must be GET or PATCH".to_owned()));
    }

    #[test]
    fn a_deployments_faults_are_for_its_own_routes() {
        let when = |route| FaultConditions {
            route: Some(String::from(route)),
            ..FaultConditions::default()
        };
        let effect = Effect { status: Some(503), ..Effect::default() };
        for (route, accepted) in [
            ("/v1/runner/{deployment_id}", true),
            ("/v1/runner/MINE/stream", true),
            ("/v1/runner/M%49NE", true),
            ("/v1/runner/OTHER", false),
            ("/v1/runner/conversations", false),
        ] {
            let rule = FaultRule { when: when(route), effect: effect.clone(), times: None };
            let compiled = rule.compile(FaultScope::Deployment("MINE"), &RouteTable::sample());
            assert_eq!(
                compiled.err().map(|wrong| wrong.field),
                (!accepted).then_some("when.route")
            );
        }
    }

    #[test]
    fn an_effect_that_no_request_can_get_is_refused() {
        let route = "/v1/runner/{deployment_id}";
        for (rule, field) in [
            (json!({"when": {"route": route}, "effect": {"break_after": 1}}), "effect.break_after"),
            (json!({"when": {"api": "characters"}, "effect": {"pace_ms": 1}}), "effect.pace_ms"),
            (
                json!({"when": {"route": format!("{route}/stream")}, "effect": {"body": "empty"}}),
                "effect.body",
            ),
        ] {
            assert_eq!(wrong(rule.clone()).0, field, "{rule}");
        }
    }
}
