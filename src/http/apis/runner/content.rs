//! The bodies of the Runner API: content, variables, meta (runner-overview.txt, "Content Types",
//! "Conversation API Parameters"; runner-conversation-rest.txt, "Request body").

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::domain::Part;
use crate::domain::conversation::{FileRef, Meta, label_text};
use crate::domain::error::{FieldError, FieldErrorKind, FieldLocation};
use crate::http::extract::{Object, WholeNumber};

/// The number of previous turns that the model is shown by default.
const DEFAULT_HISTORY: u64 = 5;
/// The most turns it can be shown.
const MOST_HISTORY: u64 = 1000;
/// The most keys that meta may have, and the longest of them in characters.
const MOST_META_KEYS: usize = 50;
const LONGEST_META_KEY: usize = 64;
/// The longest label in characters: each is stored several times, for queries.
const LONGEST_META_VALUE: usize = 4096;

/// One item of `content`, before it is checked.
#[derive(Debug, Deserialize)]
pub(super) struct PartBody {
    r#type: String,
    text: Option<String>,
    mime_type: Option<String>,
    file_uri: Option<String>,
}

/// `content`, before it is checked.
pub(super) type ContentBody = Vec<Object<PartBody>>;

/// Checks `content`: a non-empty array of parts.
pub(super) fn content(body: ContentBody) -> Result<Vec<Part>, FieldError> {
    if body.is_empty() {
        let message = "content must be a non-empty array";
        return Err(FieldError::new("content", FieldErrorKind::EmptyArray, message));
    }
    let alone = body.len() == 1;
    body.into_iter().enumerate().map(|(index, Object(part))| checked(part, index, alone)).collect()
}

fn checked(part: PartBody, index: usize, alone: bool) -> Result<Part, FieldError> {
    let at = |field: &str| format!("content[{index}].{field}");
    let PartBody { r#type, text, mime_type, file_uri } = part;
    if r#type == "text" {
        let text = text.ok_or_else(|| FieldError::missing(at("text")))?;
        if text.is_empty() && alone {
            let message = format!("{} may be empty only beside another part", at("text"));
            return Err(FieldError::new(at("text"), FieldErrorKind::BadValue, message));
        }
        return Ok(Part::Text { text });
    }
    let kind = match r#type.as_str() {
        "image" => Part::Image,
        "video" => Part::Video,
        "audio" => Part::Audio,
        "url" => Part::Url,
        _ => {
            let message = format!("{} must be one of text, image, video, audio, url", at("type"));
            return Err(FieldError::new(at("type"), FieldErrorKind::BadValue, message));
        }
    };
    let mime_type = mime_type.ok_or_else(|| FieldError::missing(at("mime_type")))?;
    let file_uri = file_uri.ok_or_else(|| FieldError::missing(at("file_uri")))?;
    if !is_mime_type(&mime_type) {
        let message = format!("{} must look like type/subtype", at("mime_type"));
        return Err(FieldError::new(at("mime_type"), FieldErrorKind::BadValue, message));
    }
    if !is_file_uri(&file_uri) {
        let message = format!("{} must be an absolute http, https, gs or data URI", at("file_uri"));
        return Err(FieldError::new(at("file_uri"), FieldErrorKind::BadValue, message));
    }
    Ok(kind(FileRef { mime_type, file_uri }))
}

/// `type/subtype`, with parameters allowed behind it (RFC 9110, 8.3.1).
fn is_mime_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let essence = text.split_once(';').map_or(text, |(essence, _)| essence);
    essence.trim_end().split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}

/// Whether `text` is absolute and clean: the parser alone would repair `https:host` and trim white space.
fn is_file_uri(text: &str) -> bool {
    let clean = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let (Ok(url), Some((_, rest)), true) = (Url::parse(text), text.split_once(':'), clean) else {
        return false;
    };
    match url.scheme() {
        "http" | "https" | "gs" => {
            url.has_host() && rest.starts_with("//") && !rest.starts_with("///")
        }
        "data" => rest.contains(','),
        _ => false,
    }
}

/// Checks `meta`: a flat object of at most 50 strings, numbers and booleans.
pub(super) fn meta(meta: Option<Meta>) -> Result<Meta, FieldError> {
    let meta = meta.unwrap_or_default();
    if meta.len() > MOST_META_KEYS {
        let message = format!("meta must have at most {MOST_META_KEYS} keys, not {}", meta.len());
        return Err(FieldError::new("meta", FieldErrorKind::BadValue, message));
    }
    for (key, value) in &meta {
        let field = format!("meta.{}", key.chars().take(LONGEST_META_KEY).collect::<String>());
        if !(1..=LONGEST_META_KEY).contains(&key.chars().count()) {
            let message = format!("the keys of meta must have 1 to {LONGEST_META_KEY} characters");
            return Err(FieldError::new("meta", FieldErrorKind::BadValue, message));
        }
        if key == "page" || key == "page_size" {
            let message = format!("{field} is not allowed: {key} pages the list of conversations");
            return Err(FieldError::new(field, FieldErrorKind::NotAllowed, message));
        }
        if matches!(value, Value::Null | Value::Array(_) | Value::Object(_)) {
            let message = format!("{field} must be a string, a number, true or false");
            return Err(FieldError::new(field, FieldErrorKind::WrongType, message));
        }
        let length = match value {
            Value::String(text) => text.chars().count(),
            other => other.to_string().len(),
        };
        if length > LONGEST_META_VALUE {
            let message = format!("{field} must have at most {LONGEST_META_VALUE} characters");
            return Err(FieldError::new(field, FieldErrorKind::BadValue, message));
        }
    }
    Ok(meta)
}

/// The labels to filter a list by; as many as a conversation can have.
pub(super) fn meta_filter(
    labels: Vec<(String, String)>,
) -> Result<Vec<(String, String)>, FieldError> {
    match labels.get(MOST_META_KEYS) {
        None => {
            let found_by = |(name, value): (String, String)| {
                let value = label_text(&value).into_owned();
                (name, value)
            };
            Ok(labels.into_iter().map(found_by).collect())
        }
        Some((name, _)) => {
            let message = format!("at most {MOST_META_KEYS} filters are allowed");
            Err(FieldError::new(name, FieldErrorKind::NotAllowed, message)
                .in_the(FieldLocation::Query))
        }
    }
}

/// Checks `history_limit`: 0–1000, 5 by default.
pub(super) fn history_limit(limit: Option<&WholeNumber>) -> Result<u64, FieldError> {
    limit.map_or(Ok(DEFAULT_HISTORY), |limit| limit.within(0..=MOST_HISTORY, "history_limit"))
}
