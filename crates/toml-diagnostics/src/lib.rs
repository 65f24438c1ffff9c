//! Reads TOML into serde types and reports every error with its position, not only the first.
//!
//! A file is a TOML document of sections, each an array of tables: `[[rule]]` … `[[rule]]` ….
//! [`Document::parse`] reports what is not TOML. [`Document::read`] reads one section as items of any
//! type with serde's `Deserialize` and schemars' `JsonSchema`. [`Document::finish`] reports
//! sections that were not read. Errors found later, such as the name of something that does not exist,
//! are reported with [`Location::report`].
//!
//! ```
//! use toml_diagnostics::{Diagnostic, Document};
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Rule {
//!     name: String,
//! }
//!
//! let mut diagnostics = Vec::new();
//! let mut document = Document::parse("rules.toml", b"[[rule]]\nname = 5\n", &mut diagnostics);
//! let rules = document.read::<Rule>("rule", &mut diagnostics);
//! document.finish(&mut diagnostics);
//!
//! let messages: Vec<_> = diagnostics.iter().map(Diagnostic::to_string).collect();
//! assert_eq!(
//!     messages,
//!     ["rules.toml:2:8: rule[0].name: invalid type: number `5`, expected a string"],
//! );
//! // The item has a placeholder for its name, so that the rest of it can be checked further.
//! assert_eq!(rules[0].value.name, "");
//! assert!(!rules[0].location.is_valid(&["name"]));
//! ```
//!
//! # Types
//!
//! Structs and enums with serde's and schemars' derives. `#[serde(deny_unknown_fields)]` makes unknown
//! keys errors. Enums may be names (`reply = "echo"`), names with content (`reply = { text = "hi" }`)
//! or internally tagged (`reply = { type = "text", … }`). What only `Deserialize` refuses, such as a
//! `try_from`, is reported as well, but only the first such error of an item. Dates and times are read
//! as their RFC 3339 text.
//!
//! # Limits
//!
//! Time and memory grow with the size of a file, not with its errors: at most [`MAX_DIAGNOSTICS`] are
//! found, and at most 20,000 items are read of one section.

mod location;
mod schema;
mod source;
mod syntax;
#[cfg(test)]
mod tests;
mod tree;
mod unread;
mod validate;

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

pub use self::location::{Item, Location};
pub use self::schema::schema_of;
pub use self::source::Diagnostic;
pub use self::unread::Unread;

use self::source::Source;
use self::tree::{Entry, Node, NodeValue};

/// Maximum number of errors. Reading stops after one more, which tells the caller that there are
/// others.
pub const MAX_DIAGNOSTICS: usize = 1_000;

/// Maximum number of items read from a section.
const MAX_ITEMS: usize = 20_000;

/// A parsed file, from which sections are read one after the other.
#[derive(Debug)]
pub struct Document {
    source: Arc<Source>,
    /// Sections not read yet.
    entries: Vec<Entry>,
    /// Offsets of items with a syntax error, whose missing fields are unknown.
    damaged: BTreeSet<usize>,
    /// Names of the sections read.
    sections: Vec<String>,
    unread: Unread,
}

impl Document {
    /// Parses the content of a file and reports what is not UTF-8 or not TOML. The rest can be read.
    pub fn parse(name: &str, content: &[u8], diagnostics: &mut Vec<Diagnostic>) -> Self {
        let source = Source::decode(name, content, diagnostics);
        let before = diagnostics.len();
        let recovered = syntax::recover(&source, diagnostics);
        sort_from(before, diagnostics);
        Self {
            damaged: items_with(&recovered.damage, &recovered.entries),
            source: Arc::new(source),
            entries: recovered.entries,
            sections: Vec::new(),
            unread: recovered.unread,
        }
    }

    /// Reads every item of one section and reports what is wrong with it. Items with
    /// errors are returned with placeholders: see [`Location::is_valid`].
    pub fn read<T: DeserializeOwned + JsonSchema>(
        &mut self,
        section: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<Item<T>> {
        self.sections.push(section.to_owned());
        let before = diagnostics.len();
        let found = self.entries.iter().position(|entry| entry.key == section);
        let Some(index) = found else { return Vec::new() };
        let entry = self.entries.remove(index);
        let nodes = self.items_of(entry, diagnostics);
        let schema = schema_of::<T>();
        let mut items = Vec::new();
        for (index, node) in nodes.into_iter().enumerate() {
            if index >= MAX_ITEMS {
                let message = format!("only {MAX_ITEMS} items are read of one section");
                self.source.report(diagnostics, node.start, "", message);
            }
            if index >= MAX_ITEMS || diagnostics.len() > MAX_DIAGNOSTICS {
                self.unread.add_section(section);
                break;
            }
            let label = format!("{section}[{index}]");
            let is_damaged = self.damaged.contains(&node.start);
            let (source, replaced) = (Arc::clone(&self.source), Vec::new());
            let location = Location { source, label, node, replaced };
            let item = (!is_damaged).then(|| read_item(location, &schema, diagnostics)).flatten();
            match item {
                Some(item) => items.push(item),
                None => self.unread.add_section(section),
            }
        }
        sort_from(before, diagnostics);
        items
    }

    /// Reports every top-level key that is not one of the sections read. Returns the sections that may
    /// lack items.
    pub fn finish(mut self, diagnostics: &mut Vec<Diagnostic>) -> Unread {
        let known: Vec<_> = self.sections.iter().map(|name| format!("`[[{name}]]`")).collect();
        let expected = match known.as_slice() {
            [one] => one.clone(),
            several => format!("one of {}", several.join(", ")),
        };
        for Entry { key, key_start, .. } in &self.entries {
            let message = format!("unknown section `{key}`, expected {expected}");
            self.source.report(diagnostics, *key_start, "", message);
            self.unread.add_unknown(key);
        }
        self.unread
    }

    /// The items of a section. A single table instead of an array is an error, but its content is
    /// compared.
    fn items_of(&mut self, section: Entry, diagnostics: &mut Vec<Diagnostic>) -> Vec<Node> {
        let Entry { key, key_start, node } = section;
        if let NodeValue::Array(nodes) = node.value {
            return nodes;
        }
        let is_table = matches!(node.value, NodeValue::Table(_));
        if !self.damaged.contains(&node.start) {
            let message = format!("expected a list of tables, each begun by `[[{key}]]`");
            self.source.report(diagnostics, key_start, key.as_str(), message);
        }
        if is_table {
            return vec![node];
        }
        self.unread.add_section(&key);
        Vec::new()
    }
}

/// Reads one item; `None` if placeholders cannot make it readable.
fn read_item<T: DeserializeOwned>(
    mut location: Location,
    schema: &serde_json::Value,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Item<T>> {
    let (value, replaced) = validate::validate(&location, schema, diagnostics);
    location.replaced = replaced;
    if let Ok(value) = T::deserialize(&value) {
        return Some(Item { value, location });
    }
    // Once more for the path, which takes time to keep.
    if let Err(error) = serde_path_to_error::deserialize::<_, T>(value) {
        let path: Vec<_> = error.path().iter().map(Segment::to_string).collect();
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        location.report(diagnostics, &path, error.inner().to_string());
    }
    None
}

/// Sorts the errors from an index on by position.
fn sort_from(index: usize, diagnostics: &mut [Diagnostic]) {
    if let Some(new) = diagnostics.get_mut(index..) {
        new.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    }
}

/// Offsets of the items that contain one of `offsets`.
fn items_with(offsets: &[usize], entries: &[Entry]) -> BTreeSet<usize> {
    let mut starts: Vec<usize> = Vec::new();
    for Entry { node, .. } in entries {
        match &node.value {
            NodeValue::Array(nodes) => starts.extend(nodes.iter().map(|node| node.start)),
            _ => starts.push(node.start),
        }
    }
    starts.sort_unstable();
    let item_before = |offset: &usize| {
        let after = starts.partition_point(|start| start <= offset);
        starts.get(after.checked_sub(1)?).copied()
    };
    offsets.iter().filter_map(item_before).collect()
}
