//! Selects entries by the filters and the pattern of a query.

use std::borrow::Cow;
use std::sync::Arc;

use super::criterion::Criterion;
use super::differences::{Differences, shown, shown_at};
use super::keys::BlankedKeys;
use super::pattern::EntryPattern;
use super::report::{MOST_DIFFERENCES, Report};
use super::shapes::document;
use super::value_pattern::ValuePattern;
use crate::app::request_log::{Entry, EntryFilter, Since, StatusFilter};
use crate::clock::rfc3339;

/// The parameter that holds the pattern.
pub(super) const MATCH: &str = "match";

/// Conditions on entries, all of which must hold.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub(super) filter: EntryFilter,
    pub(super) pattern: EntryPattern,
}

impl Selection {
    /// The first parameter by which `entry` is not selected. With a pattern this takes up to
    /// milliseconds.
    pub(super) fn first_unmet(&self, entry: &Entry, keys: &BlankedKeys) -> Option<&'static str> {
        self.filter.first_unmet(entry).or_else(|| {
            let matches = self.pattern.is_empty() || self.pattern.matches(&document(entry, keys));
            (!matches).then_some(MATCH)
        })
    }

    /// Reports the entries after `since`.
    pub(super) fn report(&self, entries: &[Arc<Entry>], keys: &BlankedKeys) -> Report {
        let (conditions, mut report) = (self.filter_conditions(), Report::default());
        for entry in entries.iter().filter(|entry| self.filter.is_in_range(entry)) {
            let mut differences = Differences::at_most(MOST_DIFFERENCES);
            let document = document(entry, keys);
            for missed in self.filter.unmet(entry) {
                let condition = conditions.iter().find(|(criterion, _)| criterion.name() == missed);
                if let Some((criterion, wanted)) = condition {
                    let found = criterion.found(&document);
                    let found = shown_at(criterion.place(), found.as_deref());
                    differences.add(criterion.place(), || (wanted.shown(), found));
                }
            }
            self.pattern.compare(&document, &mut differences);
            report.add(&document, &differences);
        }
        report
    }

    /// The filters as a pattern would have them, apart from `since`.
    fn filter_conditions(&self) -> Vec<(Criterion, ValuePattern)> {
        let EntryFilter { method, route, path, status, body, since: _ } = self.filter.clone();
        let conditions = [
            method.map(|method| (Criterion::Method, ValuePattern::IgnoringCase(method))),
            route.map(|route| (Criterion::Route, ValuePattern::Exactly(route.into()))),
            path.map(|path| (Criterion::Path, ValuePattern::Path(path))),
            status.map(|status| (Criterion::Status, status_pattern(status))),
            body.map(|body| (Criterion::Body, ValuePattern::Contains(body))),
        ];
        conditions.into_iter().flatten().collect()
    }

    /// The names of all conditions and what they want, as text.
    pub(super) fn described(&self) -> Vec<(String, String)> {
        let EntryFilter { method, route, path, status, body, since } = &self.filter;
        let since = since.map(|since| match since {
            Since::Number(number) => number.to_string(),
            Since::Time(time) => rfc3339(time),
        });
        let filters = [
            ("since", since.map(Cow::Owned)),
            ("method", method.as_deref().map(Cow::Borrowed)),
            ("route", route.as_deref().map(Cow::Borrowed)),
            ("path", path.as_deref().map(Cow::Borrowed)),
            ("status", status.map(|status| status_pattern(status).shown().into())),
            ("body", body.as_deref().map(|body| shown(&body.into()).into())),
        ];
        let filters = filters.into_iter().filter_map(|(name, wanted)| {
            wanted.map(|wanted| (name.to_owned(), wanted.into_owned()))
        });
        filters.chain(self.pattern.described().iter().cloned()).collect()
    }
}

fn status_pattern(status: StatusFilter) -> ValuePattern {
    match status {
        StatusFilter::Is(status) => ValuePattern::Exactly(status.into()),
        StatusFilter::Begins(digit) => ValuePattern::StatusClass(digit.into()),
    }
}
