//! Deployments, models, agents and images.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use o200k::Counted;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::account::Credits;
use super::allowlist::Allowlist;
use super::conversation::Variables;
use super::error::FieldError;
use super::fault_rule::CompiledFault;
use crate::ids::{AccountId, AgentId, DeploymentId, ImageId, LlmId, ProjectId, SdModelId};

/// A deployment of the Runner API.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The id in the path.
    pub id: DeploymentId,
    /// The account that owns it, to which use without a key is attributed.
    pub owner: AccountId,
    /// The project that its owner belongs to; keys of other projects are refused.
    pub project: ProjectId,
    /// The model name reported in responses.
    pub model: Arc<str>,
    /// System instructions.
    pub instructions: Instructions,
    /// Whether answers are text or an object.
    pub output: OutputMode,
    /// The model provider.
    pub backend: BackendName,
    /// `Some` when no key is needed, with the origins that may call.
    pub public: Option<Allowlist>,
    /// How long an agent run waits for the client; positive.
    pub client_action_ttl: TimeDelta,
    /// Attached faults; each account has its own counts.
    pub faults: Vec<CompiledFault>,
}

/// System instructions, with `{{NAME}}` slots.
#[derive(Debug, Clone)]
pub struct Instructions {
    pieces: Vec<InstructionPart>,
    /// The text without variables, which most requests use.
    blank: Arc<Counted>,
}

#[derive(Debug, Clone)]
enum InstructionPart {
    Text(String),
    /// The name.
    Slot(String),
}

impl Instructions {
    /// Parses `text`; a slot is `{{NAME}}` with a name of the form `[A-Za-z_][A-Za-z0-9_]*`.
    pub fn new(text: &str) -> Self {
        let (mut pieces, mut before) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some((passed, after)) = rest.split_once("{{") {
            before.push_str(passed);
            let slot = after.split_once("}}").filter(|(name, _)| is_slot_name(name));
            if let Some((name, tail)) = slot {
                pieces.push(InstructionPart::Text(std::mem::take(&mut before)));
                pieces.push(InstructionPart::Slot(name.to_owned()));
                rest = tail;
            } else {
                // The first brace is plain text; the second may open a slot (`{{{NAME}}`).
                before.push('{');
                rest = rest.split_at(passed.len() + 1).1;
            }
        }
        pieces.push(InstructionPart::Text(before + rest));
        let blank = Arc::new(filled(&pieces, &Variables::new()).into());
        Self { pieces, blank }
    }

    /// The text with its slots filled from `variables`. A slot without a value is left blank; slots in
    /// values are not filled.
    pub fn with(&self, variables: &Variables) -> Arc<Counted> {
        if variables.is_empty() || self.pieces.len() == 1 {
            return Arc::clone(&self.blank);
        }
        Arc::new(filled(&self.pieces, variables).into())
    }
}

fn filled(pieces: &[InstructionPart], variables: &Variables) -> String {
    let mut filled = String::new();
    for piece in pieces {
        match piece {
            InstructionPart::Text(text) => filled.push_str(text),
            InstructionPart::Slot(name) => {
                if let Some(value) = variables.get(name) {
                    filled.push_str(&as_text(value));
                }
            }
        }
    }
    filled
}

/// A language model of the Characters API.
#[derive(Debug, Clone)]
pub struct LlmModel {
    /// The id.
    pub id: LlmId,
    /// The name.
    pub name: String,
    /// The size of its context in tokens.
    pub max_context: u64,
    /// The price of a thousand tokens of prompt or reply.
    pub cost_per_1k_tokens: Credits,
    /// The model provider.
    pub backend: BackendName,
    /// Attached faults; each account has its own counts.
    pub faults: Vec<CompiledFault>,
}

impl LlmModel {
    /// The price of `tokens`, rounded up to a millionth of a credit.
    pub fn cost(&self, tokens: u64) -> Credits {
        let price = u128::from(self.cost_per_1k_tokens.millionths().max(0).unsigned_abs());
        let millionths = (u128::from(tokens) * price).div_ceil(1000);
        Credits::from_millionths(i64::try_from(millionths).unwrap_or(i64::MAX))
    }
}

/// An image model (stable diffusion) of the Characters API.
#[derive(Debug, Clone)]
pub struct SdModel {
    /// The id.
    pub id: SdModelId,
    /// The name.
    pub name: String,
    /// The price of an image or avatar.
    pub cost_per_image: Credits,
    /// Attached faults; each account has its own counts.
    pub faults: Vec<CompiledFault>,
}

/// Why a request cannot use the model that it names.
#[derive(Debug, Error)]
pub enum ModelLookupError {
    /// The id belongs to a model of the other kind.
    #[error(transparent)]
    OtherKind(#[from] FieldError),
    /// There is no such language model.
    #[error("there is no LLM `{0}`")]
    UnknownLlm(LlmId),
    /// There is no such image model.
    #[error("there is no SD model `{0}`")]
    UnknownSdModel(SdModelId),
}

/// An agent of the Characters API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The id.
    pub id: AgentId,
    /// The name.
    pub name: String,
    /// The appearance, beginning with the age.
    pub appearance_prompt: String,
    /// The personality.
    pub personality_prompt: String,
    /// The role.
    pub description: String,
    /// The image model of its avatar, if it has one.
    pub sd_model: Option<SdModelId>,
}

impl Agent {
    /// The prompt of its avatar.
    pub fn avatar_prompt(&self) -> String {
        avatar_prompt(&self.name, &self.appearance_prompt)
    }
}

/// The prompt of the avatar of an agent with this name and appearance.
pub fn avatar_prompt(name: &str, appearance: &str) -> String {
    match appearance {
        "" => format!("Portrait of {name}"),
        appearance => format!("Portrait of {name}: {appearance}"),
    }
}

/// An image of the Characters API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The id.
    pub id: ImageId,
    /// The prompt.
    pub prompt: String,
    /// The image model.
    pub sd_model: SdModelId,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
}

/// Whether a model answers with text or with a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputMode {
    /// Plain text.
    #[default]
    Text,
    /// An object ("structured output"); streamed and stored as its JSON text.
    Structured,
}

/// The model provider that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackendName {
    /// Reply rules, with a generated answer if none matches.
    #[default]
    Canned,
    /// Repeats the message.
    Echo,
}

fn is_slot_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A scalar as text, null as an empty text, arrays and objects as JSON.
pub fn as_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        scalar_or_nested => scalar_or_nested.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(text: &str, variables: Value) -> String {
        let Value::Object(variables) = variables else { panic!("variables are an object") };
        Instructions::new(text).with(&variables).as_str().to_owned()
    }

    #[test]
    fn a_cost_is_exact_to_the_millionth() {
        let llm = |price| LlmModel {
            id: "m".into(),
            name: "M".to_owned(),
            max_context: 1,
            cost_per_1k_tokens: Credits::parse(price).unwrap(),
            backend: BackendName::Echo,
            faults: Vec::new(),
        };
        assert_eq!(llm("0.06").cost(579).to_string(), "0.03474");
        assert_eq!(llm("0.000001").cost(1).to_string(), "0.000001");
        assert_eq!(llm("0").cost(u64::MAX).millionths(), 0);
        assert_eq!(llm("1000000").cost(u64::MAX).millionths(), i64::MAX);
    }

    #[test]
    fn slots_take_their_values_and_a_slot_without_one_is_left_blank() {
        let text = "Tone {{TONE}}; tier {{CUSTOMER_TIER}}; name {{customer_name}}.";
        assert_eq!(filled(text, json!({"TONE": "warm"})), "Tone warm; tier ; name .");
        assert_eq!(filled(text, json!({})), "Tone ; tier ; name .");
        assert_eq!(filled("No slot.", json!({"TONE": "warm"})), "No slot.");
    }

    #[test]
    fn names_must_match_exactly() {
        assert_eq!(filled("{{TONE}}|{{ TONE }}|{{Tone}}", json!({"TONE": "x"})), "x|{{ TONE }}|");
    }

    #[test]
    fn scalars_are_rendered_as_text_and_nested_values_as_json() {
        let variables = json!({"N": 7, "B": true, "O": {"a": [1]}, "Z": null});
        assert_eq!(filled("{{N}} {{B}} {{O}} {{Z}}", variables), r#"7 true {"a":[1]} "#);
    }

    #[test]
    fn a_value_is_never_read_as_a_slot_again() {
        assert_eq!(filled("{{A}}{{B}}", json!({"A": "{{B}}", "B": "b"})), "{{B}}b");
    }

    #[test]
    fn braces_that_open_no_slot_stay() {
        assert_eq!(filled("{{{A}}} {{ {{} }}", json!({"A": 1})), "{1} {{ {{} }}");
    }
}
