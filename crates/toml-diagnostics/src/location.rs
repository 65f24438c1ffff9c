//! Positions of an item and its fields in the file.

use std::sync::Arc;

use crate::source::{Diagnostic, Source};
use crate::tree::{Node, NodeValue};

/// An item of a section with its position.
#[derive(Debug)]
pub struct Item<T> {
    /// The item, with placeholders for wrong and missing values, see [`Location::is_valid`].
    pub value: T,
    /// Its place in the file.
    pub location: Location,
}

/// The position of an item, and which of its values are placeholders.
///
/// A path is a list of keys and of decimal indices into arrays: `["when", "words", "0"]`.
#[derive(Debug, Clone)]
pub struct Location {
    pub(crate) source: Arc<Source>,
    pub(crate) label: String,
    pub(crate) node: Node,
    /// Paths of values that were replaced by placeholders or left out.
    pub(crate) replaced: Vec<Vec<String>>,
}

/// The part of a path that exists in an item.
struct Resolved {
    offset: usize,
    /// Number of steps that exist in the file.
    depth: usize,
    /// The path as messages show it: `rule[0].when.words[0]`.
    text: String,
}

impl Location {
    /// The item's name in messages: `rule[0]`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        &self.source.name
    }

    /// Line and column of the value at `path`, both from 1. For a value that is not in the file,
    /// those of the closest table or array around it. An item's position is its `[[header]]`.
    pub fn position(&self, path: &[&str]) -> (usize, usize) {
        self.source.position(self.resolve(path).offset)
    }

    /// An error at `path` that was found after reading.
    pub fn diagnostic(&self, path: &[&str], message: impl Into<String>) -> Diagnostic {
        let Resolved { offset, text, .. } = self.resolve(path);
        self.source.diagnostic(offset, text, message)
    }

    /// Adds [`Self::diagnostic`], unless it follows from an error found while reading.
    pub fn report(
        &self,
        diagnostics: &mut Vec<Diagnostic>,
        path: &[&str],
        message: impl Into<String>,
    ) {
        if self.is_valid(path) {
            diagnostics.push(self.diagnostic(path, message));
        }
    }

    /// Whether the item had no error.
    pub fn is_whole_item_valid(&self) -> bool {
        self.replaced.is_empty()
    }

    /// Whether the value at `path` is that of the file. A value that is not in the file counts as
    /// invalid if a sibling had an error: an unknown key may be this one, misspelt.
    pub fn is_valid(&self, path: &[&str]) -> bool {
        let in_file = path.get(..self.resolve(path).depth).unwrap_or(path);
        !self.replaced.iter().any(|replaced| {
            let parent = replaced.split_last().map(|(_, parent)| parent);
            is_prefix(replaced, in_file) || parent.is_some_and(|parent| parent == in_file)
        })
    }

    /// The name of the value at `path` in messages.
    pub(crate) fn path_text(&self, path: &[impl AsRef<str>]) -> String {
        self.resolve(path).text
    }

    fn resolve(&self, path: &[impl AsRef<str>]) -> Resolved {
        let mut node = Some(&self.node);
        let mut resolved = Resolved { offset: self.node.start, depth: 0, text: self.label.clone() };
        for step in path.iter().map(AsRef::as_ref) {
            match node.map(|node| &node.value) {
                Some(NodeValue::Array(_)) => resolved.text.extend(["[", step, "]"]),
                _ => push_key(&mut resolved.text, step),
            }
            node = node.and_then(|node| node.child(step));
            if let Some(node) = node {
                resolved.offset = node.start;
                resolved.depth += 1;
            }
        }
        resolved
    }
}

fn is_prefix(replaced: &[String], path: &[&str]) -> bool {
    replaced.len() <= path.len() && replaced.iter().zip(path).all(|(one, other)| one == other)
}

/// Adds a key to a path, quoted if it contains more than letters, digits, `_` and `-`.
fn push_key(path: &mut String, key: &str) {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    path.push('.');
    if key.chars().all(is_bare) && !key.is_empty() {
        path.push_str(key);
    } else {
        let quoted = format!("{key:?}");
        path.push_str(&quoted);
    }
}
