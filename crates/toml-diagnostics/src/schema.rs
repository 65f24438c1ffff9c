//! The JSON Schema of a type for TOML, and access to it.

use std::fmt;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

/// The JSON Schema (draft 2020-12) of a type, for editors of TOML files.
///
/// TOML has no `null`, so what may be `null` in JSON is optional instead. Bounds replace the formats of
/// Rust's numbers.
pub fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(adapt_to_toml).transform(&mut schema);
    schema.to_value()
}

fn adapt_to_toml(schema: &mut Schema) {
    let Some(schema) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(branches)) = schema.get_mut("anyOf") {
        branches.retain(|branch| branch.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = branches.as_mut_slice() {
            let only = std::mem::take(only);
            schema.shift_remove("anyOf");
            schema.extend(only);
        }
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.shift_remove("default");
    }
    let bounds: &[(&str, i64)] = match schema.get("format").and_then(Value::as_str) {
        Some("int32") => &[("minimum", -0x8000_0000), ("maximum", 0x7fff_ffff)],
        Some("uint32") => &[("maximum", 0xffff_ffff)],
        Some(name) if is_number_format(name) => &[],
        _ => return,
    };
    schema.shift_remove("format");
    for (keyword, bound) in bounds {
        schema.entry(*keyword).or_insert((*bound).into());
    }
}

fn is_number_format(name: &str) -> bool {
    name.starts_with("int") || name.starts_with("uint") || ["float", "double"].contains(&name)
}

/// Maximum depth of placeholders, since types may be recursive.
const MAX_PLACEHOLDER_DEPTH: usize = 8;

/// An enum: its variants by name, each with the schema of its table unless it has none.
pub(crate) struct Choice<'s> {
    /// The key with the name; if `None`, a variant's table has the name as its only key.
    pub(crate) tag: Option<&'s str>,
    pub(crate) variants: Vec<(&'s str, Option<SchemaNode<'s>>)>,
}

impl Choice<'_> {
    /// The names as text for messages.
    pub(crate) fn names(&self) -> String {
        one_of(self.variants.iter().map(|(name, _)| name))
    }

    pub(crate) fn has_tables(&self) -> bool {
        self.variants.iter().any(|(_, table)| table.is_some())
    }
}

/// A schema within the schema of a type.
#[derive(Clone, Copy)]
pub(crate) struct SchemaNode<'s> {
    root: &'s Value,
    node: &'s Value,
    /// What `$ref` points to within `root`.
    referred: Option<&'s Value>,
}

impl<'s> SchemaNode<'s> {
    pub(crate) const ANYTHING: SchemaNode<'static> =
        SchemaNode { root: &Value::Bool(true), node: &Value::Bool(true), referred: None };

    pub(crate) fn root(root: &'s Value) -> Self {
        Self { root, ..Self::ANYTHING }.at(root)
    }

    /// Another schema within the same root.
    fn at(self, node: &'s Value) -> Self {
        Self { node, referred: self.refer(node), ..self }
    }

    fn refer(self, node: &Value) -> Option<&'s Value> {
        let reference = node.get("$ref")?.as_str()?;
        self.root.pointer(reference.trim_start_matches('#'))
    }

    /// The schema and those that `$ref` leads to: all of them apply.
    fn parts(self) -> impl Iterator<Item = &'s Map<String, Value>> {
        let referred = std::iter::successors(self.referred, move |node| self.refer(node));
        std::iter::once(self.node).chain(referred).filter_map(Value::as_object)
    }

    pub(crate) fn keyword(self, keyword: &str) -> Option<&'s Value> {
        self.parts().find_map(|part| part.get(keyword))
    }

    /// Its JSON type; `None` if it has none or several.
    pub(crate) fn type_name(self) -> Option<&'s str> {
        self.keyword("type")?.as_str()
    }

    pub(crate) fn property_names(self) -> Vec<&'s str> {
        let properties = self.parts().filter_map(|part| part.get("properties")?.as_object());
        properties.flat_map(Map::keys).map(String::as_str).collect()
    }

    pub(crate) fn property(self, name: &str) -> Option<Self> {
        let found = self.parts().find_map(|part| part.get("properties")?.get(name))?;
        Some(self.at(found))
    }

    /// The schema of additional properties; `None` if they are not allowed.
    pub(crate) fn other_properties(self) -> Option<Self> {
        match self.keyword("additionalProperties") {
            Some(Value::Bool(false)) => None,
            Some(schema) => Some(self.at(schema)),
            None => Some(Self::ANYTHING),
        }
    }

    pub(crate) fn required(self) -> impl Iterator<Item = &'s str> {
        let lists = self.parts().filter_map(|part| part.get("required")?.as_array());
        lists.flatten().filter_map(Value::as_str)
    }

    /// The schema of array items.
    pub(crate) fn element(self) -> Self {
        self.keyword("items").map_or(Self::ANYTHING, |items| self.at(items))
    }

    /// The allowed values, if it lists them.
    pub(crate) fn options(self) -> Option<&'s [Value]> {
        let constant = self.keyword("const").map(std::slice::from_ref);
        constant.or_else(|| Some(self.keyword("enum")?.as_array()?.as_slice()))
    }

    /// The variants, if it is an enum. Those of an untagged enum have no names.
    pub(crate) fn choice(self) -> Option<Choice<'s>> {
        let branches: Vec<Self> = if self.options().is_some() {
            vec![self]
        } else if self.keyword("type").is_some() {
            return None;
        } else {
            let branches = self.keyword("oneOf").or_else(|| self.keyword("anyOf"))?;
            branches.as_array()?.iter().map(|branch| self.at(branch)).collect()
        };
        let tag = branches.first()?.tag();
        let variants: Option<Vec<_>> = match tag {
            Some(tag) => branches
                .into_iter()
                .map(|branch| {
                    Some((branch.property(tag)?.keyword("const")?.as_str()?, Some(branch)))
                })
                .collect(),
            None => branches
                .into_iter()
                .map(Self::variants)
                .collect::<Option<_>>()
                .map(|v: Vec<_>| v.concat()),
        };
        Some(Choice { tag, variants: variants? })
    }

    /// The property that names the variant.
    fn tag(self) -> Option<&'s str> {
        let is_constant = |name: &&str| {
            self.property(name).is_some_and(|property| property.keyword("const").is_some())
        };
        self.property_names().into_iter().find(is_constant)
    }

    /// The variants of a branch that allows names only, or a table with a name as its only key.
    fn variants(self) -> Option<Vec<(&'s str, Option<Self>)>> {
        if let Some(options) = self.options() {
            return options.iter().map(|option| Some((option.as_str()?, None))).collect();
        }
        match (self.property_names().as_slice(), self.keyword("additionalProperties")) {
            ([name], Some(Value::Bool(false))) => Some(vec![(*name, Some(self))]),
            _ => None,
        }
    }

    /// The expected value as text for messages.
    pub(crate) fn expected(self) -> String {
        if let Some(choice) = self.choice() {
            return match (choice.tag, choice.has_tables()) {
                (Some(_), _) => "a table".to_owned(),
                (None, true) => "a name or a table".to_owned(),
                (None, false) => choice.names(),
            };
        }
        if let Some(options) = self.options() {
            return one_of(options);
        }
        match (self.type_name(), self.keyword("minimum")) {
            (Some("string"), _) => "a string".to_owned(),
            (Some("boolean"), _) => "`true` or `false`".to_owned(),
            (Some("array"), _) => "a list".to_owned(),
            (Some("object"), _) => "a table".to_owned(),
            (Some("integer"), Some(min)) => format!("a whole number of {min} or more"),
            (Some("integer"), None) => "a whole number".to_owned(),
            _ => "a number".to_owned(),
        }
    }

    /// A valid value.
    pub(crate) fn placeholder(self) -> Value {
        self.placeholder_within(MAX_PLACEHOLDER_DEPTH)
    }

    fn placeholder_within(self, depth: usize) -> Value {
        let Some(depth) = depth.checked_sub(1) else { return Value::Null };
        let within = |schema: Self| schema.placeholder_within(depth);
        if let Some(Choice { tag, variants }) = self.choice() {
            let name = variants.iter().find(|(_, table)| tag.is_none() && table.is_none());
            let table = variants.iter().find_map(|(_, table)| *table);
            return name
                .map_or_else(|| table.map_or(Value::Null, within), |(name, _)| (*name).into());
        }
        if let Some(option) = self.options().and_then(<[Value]>::first) {
            return option.clone();
        }
        match self.type_name() {
            Some("string") => "".into(),
            Some("boolean") => false.into(),
            Some("integer" | "number") => self.keyword("minimum").cloned().unwrap_or(0.into()),
            Some("array") => Value::Array(Vec::new()),
            Some("object") => {
                let field = |key: &str| self.property(key).map_or(Value::Null, within);
                self.required().map(|key| (key.to_owned(), field(key))).collect()
            }
            _ => Value::Null,
        }
    }
}

/// Formats names of which one is expected.
pub(crate) fn one_of<T: fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [one, other] => format!("{one} or {other}"),
        several => format!("one of {}", several.join(", ")),
    }
}
