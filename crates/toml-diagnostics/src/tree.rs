//! A TOML document as plain values with their positions.
//!
//! Unlike `toml`'s own tree, it does not borrow from the text.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Byte offset; for a table with a header, that of the header.
    pub(crate) start: usize,
    pub(crate) value: NodeValue,
}

#[derive(Debug, Clone)]
pub(crate) enum NodeValue {
    /// Text, or a date or time in RFC 3339.
    String(String),
    /// From `i64::MIN` to `u64::MAX`.
    Integer(i128),
    Float(f64),
    /// A number that fits neither 64 bits nor a float.
    TooLarge,
    Boolean(bool),
    Array(Vec<Node>),
    /// In the order of the file.
    Table(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_start: usize,
    pub(crate) node: Node,
}

impl Node {
    /// The value at one step of a path: a key or a decimal index.
    pub(crate) fn child(&self, step: &str) -> Option<&Node> {
        match &self.value {
            NodeValue::Table(entries) => {
                entries.iter().find(|entry| entry.key == step).map(|entry| &entry.node)
            }
            NodeValue::Array(nodes) => nodes.get(step.parse::<usize>().ok()?),
            _ => None,
        }
    }
}

/// Longer texts are cut in messages.
const MAX_QUOTE: usize = 40;

impl Node {
    /// The value as text for messages.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            NodeValue::String(text) => {
                let mut start: String = text.chars().take(MAX_QUOTE).collect();
                if start.len() < text.len() {
                    start.push('…');
                }
                format!("string {start:?}")
            }
            NodeValue::Integer(number) => format!("number `{number}`"),
            NodeValue::Float(number) => format!("number `{number:?}`"),
            NodeValue::TooLarge => "a number".to_owned(),
            NodeValue::Boolean(flag) => format!("boolean `{flag}`"),
            NodeValue::Array(_) => "a list".to_owned(),
            NodeValue::Table(_) => "a table".to_owned(),
        }
    }
}

impl From<&Spanned<DeValue<'_>>> for Node {
    fn from(value: &Spanned<DeValue<'_>>) -> Self {
        Self { start: value.span().start, value: value.get_ref().into() }
    }
}

impl From<&DeValue<'_>> for NodeValue {
    fn from(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::String(text.clone().into_owned()),
            DeValue::Datetime(time) => Self::String(time.to_string()),
            DeValue::Boolean(flag) => Self::Boolean(*flag),
            DeValue::Integer(digits) => i128::from_str_radix(digits.as_str(), digits.radix())
                .ok()
                .filter(|number| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(number))
                .map_or(Self::TooLarge, Self::Integer),
            DeValue::Float(digits) => match digits.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() || digits.as_str().ends_with(['f', 'n']) => {
                    Self::Float(number)
                }
                _ => Self::TooLarge,
            },
            DeValue::Array(values) => Self::Array(values.iter().map(Node::from).collect()),
            DeValue::Table(table) => Self::Table(entries(table)),
        }
    }
}

/// The entries of a table, in the order of the file.
pub(crate) fn entries(table: &DeTable<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().clone().into_owned(),
            key_start: key.span().start,
            node: value.into(),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_start);
    entries
}
