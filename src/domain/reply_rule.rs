//! Reply rules as fixtures (TOML) and the control plane (JSON) write them. `models/rules` compiles and runs
//! them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::agent_run::RunEnd;
use super::api::Api;

/// The most tool calls of one reply.
pub const MAX_TOOL_CALLS: usize = 32;
/// The longest time that a run continues in the background: 365 days.
pub const MAX_AFTER_MS: u64 = 365 * 24 * 60 * 60 * 1000;

/// A reply rule. The first rule whose conditions all hold gives the reply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["reply"]))]
pub struct ReplyRule {
    /// The id, by which Mynah reports which rule answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When it answers; without conditions, always.
    #[serde(default)]
    pub when: ReplyConditions,
    /// The replies, used one after the other; the last one is repeated.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub reply: Vec<Reply>,
    /// How often it answers; then it is ignored. Without a limit if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

/// Conditions, all of which must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyConditions {
    /// The API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// The deployment's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The model's name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The message's text is exactly this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// The message's text contains this, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// The message's text matches this regular expression somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// The number of the turn in the conversation, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
    /// Whether the request starts from a trigger (Runner API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<bool>,
    /// Variables and the values they must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// Meta keys and the values they must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, Value>,
    /// Types of parts that the message must have: `image`, `audio` …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartKind>,
    /// The request is of an agent run, and its client offers the tool of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// The request resumes an agent run with such a result. Rules without this condition never answer
    /// a resume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_result: Option<ToolResultCondition>,
}

/// Conditions that one result of a client's tool must meet. At least one of them is given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["name"]}, {"required": ["contains"]}]))]
pub struct ToolResultCondition {
    /// The name of the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The JSON text of the output contains this, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
}

impl ReplyRule {
    /// Whether the rule answers requests of agent runs only, whatever its conditions.
    pub fn is_for_agent_runs(&self) -> bool {
        self.reply.iter().any(Reply::is_for_agent_runs)
    }
}

/// The types a part can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// Text.
    Text,
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A recording.
    Audio,
    /// Another document.
    Url,
}

impl PartKind {
    /// The `type` in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Url => "url",
        }
    }
}

/// A reply: a `text`, a `json` or `tool_calls`. `text` can accompany `tool_calls`, and is optional if
/// `run` is `failed` or `interrupted`. A reply with `tool_calls`, `complete` or `run` answers agent runs
/// only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "anyOf" = [
        {"required": ["text"]},
        {"required": ["json"]},
        {"required": ["tool_calls"]},
        {"required": ["run"], "properties": {"run": {"enum": ["failed", "interrupted"]}}},
    ],
    "not" = {"required": ["json"], "anyOf": [{"required": ["text"]}, {"required": ["tool_calls"]}]},
))]
pub struct Reply {
    /// The text, a template; the reason if `run` is `failed` or `interrupted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// An object; every string in it is a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// Calls of the client's tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_TOOL_CALLS))]
    pub tool_calls: Option<Vec<ReplyToolCall>>,
    /// Whether the answer completes the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// How the answer ends the run; without, the run is completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunEnd>,
    /// How many milliseconds the run continues if `run` is `background`; without, 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = MAX_AFTER_MS))]
    pub after_ms: Option<u64>,
    /// The name of a conversation that starts with this reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The input tokens to report instead of the count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// The output tokens to report instead of the count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// The model's thoughts, a template (Characters API, `verbose`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thoughts: Option<String>,
    /// The pace of its stream, instead of the server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
}

impl Reply {
    /// Whether the reply answers requests of agent runs only.
    pub fn is_for_agent_runs(&self) -> bool {
        self.tool_calls.is_some() || self.complete == Some(true) || self.run.is_some()
    }
}

/// A call of a client's tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyToolCall {
    /// The name of the tool: 1 to 64 characters of `[A-Za-z0-9_-]`.
    pub name: String,
    /// Its arguments; every string in them is a template.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub arguments: Map<String, Value>,
}

/// The pauses of a stream, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Before the first word.
    #[serde(default)]
    pub first_ms: u64,
    /// Before each further word.
    #[serde(default)]
    pub word_ms: u64,
    /// The most that is added before each word, at random from the seed.
    #[serde(default)]
    pub jitter_ms: u64,
}
