//! The differences between an entry and a pattern.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// The most characters of a value in a difference.
pub(super) const LONGEST_VALUE: usize = 200;

/// The place of a value in an entry: `body.content[0].text`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'p> {
    /// The value of a criterion as a whole: `body`.
    Criterion(&'static str),
    /// A field of the object there.
    Field(&'p Self, &'p str),
    /// An item of the array there.
    Item(&'p Self, usize),
}

impl Place<'_> {
    fn criterion(&self) -> &'static str {
        match self {
            Self::Criterion(criterion) => criterion,
            Self::Field(parent, _) | Self::Item(parent, _) => parent.criterion(),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Criterion(criterion) => f.write_str(criterion),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// A difference between an entry and a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    at: String,
    wanted: String,
    found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: wanted {}, found {}", self.at, self.wanted, self.found)
    }
}

/// The differences of one entry: all are counted, the first are described.
#[derive(Debug)]
pub(crate) struct Differences {
    most_described: usize,
    described: Vec<Difference>,
    count: usize,
    /// The criteria that do not hold, each once.
    criteria: Vec<&'static str>,
    /// How many concern a body as a whole.
    of_bodies: usize,
}

impl Differences {
    /// No differences yet; at most `most_described` of them will be described.
    pub(crate) fn at_most(most_described: usize) -> Self {
        let (described, criteria) = (Vec::new(), Vec::new());
        Self { most_described, described, count: 0, criteria, of_bodies: 0 }
    }

    /// Adds one; `describe` gives what was wanted and what was found.
    pub(crate) fn add(&mut self, place: Place<'_>, describe: impl FnOnce() -> (String, String)) {
        self.count += 1;
        let criterion = place.criterion();
        if !self.criteria.contains(&criterion) {
            self.criteria.push(criterion);
        }
        if matches!(place, Place::Criterion("body")) {
            self.of_bodies += 1;
        }
        if self.described.len() < self.most_described {
            let (wanted, found) = describe();
            self.described.push(Difference { at: place.to_string(), wanted, found });
        }
    }

    /// Whether the entry matches.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Those that are described.
    pub(super) fn described(&self) -> &[Difference] {
        &self.described
    }

    /// How many are counted only.
    pub(super) fn more(&self) -> usize {
        self.count - self.described.len()
    }

    /// How far the entry is from the pattern: by its criteria first, then by the number of
    /// differences. Another path counts most. No body or one of another type counts more than other
    /// fields in it.
    pub(super) fn distance(&self) -> (usize, usize) {
        let weight = |criterion: &&str| match *criterion {
            "api" | "path" | "route" => 3,
            "method" => 2,
            _ => 1,
        };
        let criteria: usize = self.criteria.iter().map(weight).sum();
        (criteria + self.of_bodies, self.count)
    }
}

/// A value as JSON, shortened.
pub(crate) fn shown(value: &Value) -> String {
    shortened(value.to_string(), LONGEST_VALUE)
}

/// `text` cut to `most` characters.
pub(super) fn shortened(mut text: String, most: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// What was found at `place`, as text.
pub(super) fn shown_at(place: Place<'_>, found: Option<&Value>) -> String {
    match (place, found) {
        (Place::Criterion("body"), None | Some(Value::Null)) => {
            "none: none was sent, or none was read".to_owned()
        }
        (Place::Criterion("status"), None) => "no answer".to_owned(),
        (Place::Criterion(_), Some(Value::Null)) | (_, None) => "nothing".to_owned(),
        (_, Some(value)) => shown(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_differences_are_described_and_all_are_counted() {
        let mut differences = Differences::at_most(1);
        let body = Place::Criterion("body");
        let text = Place::Field(&body, "text");
        differences.add(Place::Item(&text, 2), || ("1".to_owned(), "2".to_owned()));
        differences.add(body, || unreachable!("one is described"));
        let described: Vec<String> =
            differences.described().iter().map(ToString::to_string).collect();
        assert_eq!(described, ["body.text[2]: wanted 1, found 2"]);
        assert_eq!((differences.more(), differences.distance()), (1, (2, 2)));
    }

    #[test]
    fn long_values_are_cut_at_a_character() {
        let text = "é".repeat(LONGEST_VALUE);
        assert_eq!(shown(&text.clone().into()), format!("\"{}…", "é".repeat(LONGEST_VALUE - 1)));
        assert_eq!(shortened(text.clone(), LONGEST_VALUE), text);
    }
}
