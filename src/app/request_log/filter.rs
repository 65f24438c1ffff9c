//! Selects entries.

use chrono::{DateTime, Utc};

use super::entry::Entry;
use crate::domain::path::decoded;

/// Conditions on entries; those that are `None` hold for every entry.
#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    /// The method, in any case.
    pub method: Option<String>,
    /// The route, exactly.
    pub route: Option<String>,
    /// The path in any encoding; with a `*` at the end, a prefix of it.
    pub path: Option<String>,
    /// The status of the response.
    pub status: Option<StatusFilter>,
    /// A text that the body contains, exactly.
    pub body: Option<String>,
    /// The entry or time after which it was added.
    pub since: Option<Since>,
}

/// One status or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    /// This one.
    Is(u16),
    /// Those with this first digit.
    Begins(u16),
}

/// The position after which entries are selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// The entry of this number.
    Number(u64),
    /// This time on the account's clock, inclusive.
    Time(DateTime<Utc>),
}

impl EntryFilter {
    /// Whether all conditions hold for `entry`.
    pub fn matches(&self, entry: &Entry) -> bool {
        self.first_unmet(entry).is_none()
    }

    /// Whether `entry` is after `since`.
    pub fn is_in_range(&self, entry: &Entry) -> bool {
        self.since.is_none_or(|since| since.before(entry))
    }

    /// The name of the first condition that does not hold for `entry`.
    pub fn first_unmet(&self, entry: &Entry) -> Option<&'static str> {
        self.unmet(entry).next()
    }

    /// The names of all conditions that do not hold for `entry`.
    pub fn unmet(&self, entry: &Entry) -> impl Iterator<Item = &'static str> {
        let Self { method, route, path, status, body, since: _ } = self;
        let request = &entry.request;
        let held = [
            ("since", self.is_in_range(entry)),
            ("method", holds(method.as_ref(), |it| it.eq_ignore_ascii_case(&request.method))),
            ("route", holds(route.as_ref(), |it| request.route == Some(it))),
            ("path", holds(path.as_ref(), |it| is_path(entry.path(), it))),
            ("status", status.is_none_or(|status| status.matches(entry))),
            (
                "body",
                holds(body.as_ref(), |it| {
                    request.body.as_ref().is_some_and(|body| body.kept().contains(it))
                }),
            ),
        ];
        held.into_iter().filter(|(_, held)| !held).map(|(name, _)| name)
    }
}

fn holds(wanted: Option<&String>, is: impl FnOnce(&str) -> bool) -> bool {
    wanted.is_none_or(|wanted| is(wanted))
}

/// Whether the paths are equal, in any encoding.
pub fn is_path(path: &str, wanted: &str) -> bool {
    let path = decoded(path);
    match wanted.strip_suffix('*') {
        Some(beginning) => path.starts_with(&*decoded(beginning)),
        None => path == decoded(wanted),
    }
}

impl StatusFilter {
    fn matches(self, entry: &Entry) -> bool {
        entry.answer.as_ref().is_some_and(|answer| match self {
            Self::Is(status) => answer.status == status,
            Self::Begins(digit) => answer.status / 100 == digit,
        })
    }
}

impl Since {
    fn before(self, entry: &Entry) -> bool {
        match self {
            Self::Number(number) => entry.number() > number,
            Self::Time(time) => entry.arrived_at >= time,
        }
    }
}
