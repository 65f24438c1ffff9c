//! Conversations and their messages.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::Api;
use crate::ids::{AgentId, ConversationId, DeploymentId, ImageId, LlmId, MessageId};

/// Values for the slots of system instructions, by name.
pub type Variables = serde_json::Map<String, Value>;

/// A client's labels on a conversation: a flat object.
pub type Meta = serde_json::Map<String, Value>;

/// The text by which a label is found. The exponent of a number is written as in `1e+2`, because parsed
/// JSON does not keep how it was sent.
pub fn label_text(text: &str) -> Cow<'_, str> {
    match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) if serde_json::from_str::<serde_json::Number>(text).is_ok() => {
            let sign = if exponent.starts_with(['+', '-']) { "" } else { "+" };
            format!("{mantissa}e{sign}{exponent}").into()
        }
        Some(_) | None => text.into(),
    }
}

/// One part of a message (runner-overview.txt, "Content Types").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    Image(FileRef),
    /// A film.
    Video(FileRef),
    /// A recording.
    Audio(FileRef),
    /// Any other document, a PDF for instance.
    Url(FileRef),
}

/// A reference to a file, which is never fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileRef {
    /// `type/subtype`.
    pub mime_type: String,
    /// An absolute `http`, `https`, `gs` or `data` URI.
    pub file_uri: String,
}

impl Part {
    /// A text part.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// The `type` in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Image(_) => "image",
            Self::Video(_) => "video",
            Self::Audio(_) => "audio",
            Self::Url(_) => "url",
        }
    }

    /// The text of a text part.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            Self::Image(_) | Self::Video(_) | Self::Audio(_) | Self::Url(_) => None,
        }
    }

    /// The file of any other part.
    pub fn as_file(&self) -> Option<&FileRef> {
        match self {
            Self::Text { .. } => None,
            Self::Image(file) | Self::Video(file) | Self::Audio(file) | Self::Url(file) => {
                Some(file)
            }
        }
    }
}

/// The texts of `parts`, joined by line breaks.
pub fn text_of(parts: &[Part]) -> Cow<'_, str> {
    let mut texts = parts.iter().filter_map(Part::as_text);
    match (texts.next(), texts.next()) {
        (None, _) => Cow::Borrowed(""),
        (Some(only), None) => Cow::Borrowed(only),
        (Some(first), Some(second)) => {
            let all: Vec<&str> = [first, second].into_iter().chain(texts).collect();
            Cow::Owned(all.join("\n"))
        }
    }
}

/// The author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions among the messages (Characters API).
    System,
    /// The client's user.
    User,
    /// The model: `assistant` in the Runner API, `agent` in the Characters API.
    Assistant,
}

/// A message as a model is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The author.
    pub role: Role,
    /// The content.
    pub parts: Vec<Part>,
}

impl Role {
    /// The name in the Runner API, in rules and in storage.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// A stored conversation, without its messages.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Its number among the conversations that its account created, from 1.
    pub ordinal: u64,
    /// The deployment or model that answers in it.
    pub target: Target,
    /// Its name, or title.
    pub name: String,
    /// The client's labels (Runner API).
    pub meta: Meta,
    /// The values for the slots of the instructions (Runner API).
    pub variables: Variables,
    /// Its own instructions (Characters API).
    pub system_prompt: String,
    /// The agent that answers in it (Characters API).
    pub agent: Option<AgentId>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// How many messages it has.
    pub message_count: u64,
    /// The number of its latest turn, 0 before the first.
    ///
    /// A turn begins with a user's message that is sent to the conversation and includes everything up
    /// to the next one: the answer, and images that are created after it. Initial messages (Characters
    /// API) and images before the first message are turn 0.
    pub turn_count: u64,
    /// The number of its latest agent run, 0 before the first.
    pub run_count: u64,
    /// When a run completed it: after that it cannot be continued.
    pub completed_at: Option<DateTime<Utc>>,
}

/// The deployment or model that answers in a conversation, which determines its API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A deployment of the Runner API.
    Deployment(DeploymentId),
    /// A language model of the Characters API.
    Llm(LlmId),
}

impl Target {
    /// The API that it belongs to.
    pub fn api(&self) -> Api {
        match self {
            Self::Deployment(_) => Api::Runner,
            Self::Llm(_) => Api::Characters,
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            Self::Deployment(id) => id.as_str(),
            Self::Llm(id) => id.as_str(),
        }
    }

    /// The deployment or model `id` of `api`.
    pub fn of(api: Api, id: String) -> Self {
        match api {
            Api::Runner => Self::Deployment(id.into()),
            Api::Characters => Self::Llm(id.into()),
        }
    }
}

/// A stored message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The author.
    pub role: Role,
    /// The content.
    pub parts: Vec<Part>,
    /// The image, if the message is only that.
    pub image: Option<ImageId>,
    /// When it was sent or complete.
    pub created_at: DateTime<Utc>,
    /// Whether it is incomplete because the client left.
    pub aborted: bool,
    /// The number of the turn that it belongs to (see [`Conversation::turn_count`]).
    pub turn: u64,
}

impl Message {
    /// A message in the latest turn of its conversation (see `storage::NewMessages`).
    pub fn new(id: MessageId, role: Role, parts: Vec<Part>, created_at: DateTime<Utc>) -> Self {
        Self { id, role, parts, image: None, created_at, aborted: false, turn: 0 }
    }
}

/// Numbers the turns of messages that were not recorded turn by turn: each user's message begins one.
pub fn number_turns(messages: &mut [Message]) {
    let mut turn = 0;
    for message in messages {
        turn += u64::from(message.role == Role::User);
        message.turn = turn;
    }
}

/// The name of a conversation that starts with `parts`: the first words of the first text, at most 60
/// characters, without trailing punctuation; `New conversation` without a text.
pub fn name_from(parts: &[Part]) -> String {
    const LONGEST: usize = 60;
    const UNNAMED: &str = "New conversation";
    let mut texts = parts.iter().filter_map(Part::as_text);
    let Some(text) = texts.find(|text| !text.trim().is_empty()) else {
        return UNNAMED.to_owned();
    };
    let mut name = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let needed = word.chars().count() + usize::from(length > 0);
        if length + needed > LONGEST {
            break;
        }
        if length > 0 {
            name.push(' ');
        }
        name.push_str(word);
        length += needed;
    }
    if name.is_empty() {
        // The first word is longer than a name may be.
        name = text.trim_start().chars().take(LONGEST).collect();
    }
    let name =
        name.trim_end_matches(|c: char| !c.is_alphanumeric() && !matches!(c, ')' | ']' | '"'));
    if name.is_empty() { UNNAMED.to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_labels_text_has_one_way_to_write_an_exponent() {
        for (sent, text) in [
            ("1e2", "1e+2"),
            ("1E2", "1e+2"),
            ("1e+2", "1e+2"),
            ("2.5E-3", "2.5e-3"),
            ("1.10", "1.10"),
            ("blue", "blue"),
            ("1e", "1e"),
            ("7e7e7", "7e7e7"),
        ] {
            assert_eq!(label_text(sent), text, "{sent}");
        }
    }

    fn name(text: &str) -> String {
        name_from(&[Part::text(text)])
    }

    #[test]
    fn a_name_is_the_first_words_without_trailing_punctuation() {
        assert_eq!(name("Hello! I need help with my order."), "Hello! I need help with my order");
        assert_eq!(
            name("one two three four five six seven eight nine ten eleven twelve thirteen"),
            "one two three four five six seven eight nine ten eleven"
        );
    }

    #[test]
    fn a_conversation_without_text_has_a_neutral_name() {
        let file =
            FileRef { mime_type: "image/png".into(), file_uri: "https://e.org/a.png".into() };
        assert_eq!(name_from(&[Part::Image(file)]), "New conversation");
        assert_eq!(name("..."), "New conversation");
    }

    #[test]
    fn an_empty_text_names_nothing() {
        assert_eq!(name_from(&[Part::text(""), Part::text("Hello")]), "Hello");
    }

    proptest! {
        #[test]
        fn a_name_is_never_empty_nor_longer_than_60_characters(text in any::<String>()) {
            let name = name(&text);
            prop_assert!(!name.is_empty());
            prop_assert!(name.chars().count() <= 60);
        }
    }
}
