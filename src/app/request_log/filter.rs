//! Picks entries.

use chrono::{DateTime, Utc};

use super::entry::Entry;
use crate::domain::path::decoded;

/// What an entry must be like; what is not said may be as it likes.
#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    /// Its method, in any case.
    pub method: Option<String>,
    /// Its route, to the letter.
    pub route: Option<String>,
    /// Its path, however it is encoded, or with a `*` at its end the beginning of its path.
    pub path: Option<String>,
    /// Its answer's status.
    pub status: Option<StatusFilter>,
    /// What its body contains, to the letter.
    pub body: Option<String>,
    /// What it came after.
    pub since: Option<Since>,
}

/// Which statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    /// This one.
    Is(u16),
    /// Those that begin with this digit.
    Begins(u16),
}

/// What entries come after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// The entry of this number.
    Number(u64),
    /// This time on the account's clock: entries of that time are among them.
    Time(DateTime<Utc>),
}

impl EntryFilter {
    /// Whether `entry` is like that.
    pub fn takes(&self, entry: &Entry) -> bool {
        self.missed_by(entry).is_none()
    }

    /// The first of the filters that `entry` is not like.
    pub fn missed_by(&self, entry: &Entry) -> Option<&'static str> {
        let Self { method, route, path, status, body, since } = self;
        let request = &entry.request;
        let held = [
            ("since", since.is_none_or(|since| since.before(entry))),
            ("method", holds(method.as_ref(), |it| it.eq_ignore_ascii_case(&request.method))),
            ("route", holds(route.as_ref(), |it| request.route == Some(it))),
            ("path", holds(path.as_ref(), |it| is_path(entry.path(), it))),
            ("status", status.is_none_or(|status| status.takes(entry))),
            (
                "body",
                holds(body.as_ref(), |it| {
                    request.body.as_ref().is_some_and(|body| body.kept().contains(it))
                }),
            ),
        ];
        held.into_iter().find(|(_, held)| !held).map(|(name, _)| name)
    }
}

fn holds(wanted: Option<&String>, is: impl FnOnce(&str) -> bool) -> bool {
    wanted.is_none_or(|wanted| is(wanted))
}

/// Whether `path` is `wanted`, whichever way either is encoded.
pub fn is_path(path: &str, wanted: &str) -> bool {
    let path = decoded(path);
    match wanted.strip_suffix('*') {
        Some(beginning) => path.starts_with(&*decoded(beginning)),
        None => path == decoded(wanted),
    }
}

impl StatusFilter {
    fn takes(self, entry: &Entry) -> bool {
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
            Self::Time(time) => entry.came >= time,
        }
    }
}
