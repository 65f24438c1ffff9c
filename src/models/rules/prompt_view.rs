//! A prompt as rules and templates see it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::hash::{Hash, Hasher as _};

use minijinja::context;
use serde_json::{Map, Value};
use siphasher::sip::SipHasher13;

use super::template::{self, Uses};
use crate::domain::agent_run::ResolvedCall;
use crate::domain::conversation::text_of;
use crate::domain::{Api, Part, Prompt};
use crate::ids::DeploymentId;
use crate::models::tool_output::json_text;

/// A prompt with the values that rules derive from it, each computed once, on first use.
pub(super) struct PromptView<'p> {
    pub(super) prompt: &'p Prompt,
    pub(super) text: Cow<'p, str>,
    lower_case: OnceCell<String>,
    text_hash: OnceCell<u64>,
    lower_case_outputs: OnceCell<Vec<String>>,
}

impl<'p> PromptView<'p> {
    pub(super) fn new(prompt: &'p Prompt) -> Self {
        Self {
            prompt,
            text: text_of(&prompt.message),
            lower_case: OnceCell::new(),
            text_hash: OnceCell::new(),
            lower_case_outputs: OnceCell::new(),
        }
    }

    pub(super) fn api(&self) -> Api {
        self.prompt.scene.api
    }

    pub(super) fn deployment(&self) -> Option<&str> {
        self.prompt.scene.deployment.as_ref().map(DeploymentId::as_str)
    }

    pub(super) fn model(&self) -> &str {
        &self.prompt.scene.model
    }

    /// The hash of the text. Several indices of a rule set need it, and texts can be long.
    pub(super) fn text_hash(&self) -> u64 {
        *self.text_hash.get_or_init(|| hash_of(&*self.text))
    }

    pub(super) fn lower_case(&self) -> &str {
        self.lower_case.get_or_init(|| self.text.to_lowercase())
    }

    /// The results that the request brings; empty unless it resumes an agent run.
    pub(super) fn resolved(&self) -> &'p [ResolvedCall] {
        self.prompt.tools.as_ref().map_or(&[], |tools| &tools.resolved)
    }

    /// Whether the request resumes an agent run.
    pub(super) fn is_resume(&self) -> bool {
        self.prompt.tools.as_ref().is_some_and(|tools| tools.is_resume())
    }

    /// Whether the client offers the tool `name`.
    pub(super) fn offers(&self, name: &str) -> bool {
        self.prompt.tools.as_ref().is_some_and(|tools| tools.offers(name))
    }

    /// The names of the tools that the client offers.
    pub(super) fn capabilities(&self) -> impl Iterator<Item = &'p str> {
        let tools = self.prompt.tools.iter();
        tools.flat_map(|tools| &tools.capabilities).map(|capability| capability.name.as_str())
    }

    /// The JSON text of each result in lower case.
    pub(super) fn lower_case_outputs(&self) -> &[String] {
        self.lower_case_outputs.get_or_init(|| {
            let text = |resolved: &ResolvedCall| json_text(&resolved.output).to_lowercase();
            self.resolved().iter().map(text).collect()
        })
    }

    /// Whether matching reads at most `bytes`.
    pub(super) fn is_within(&self, bytes: usize) -> bool {
        let left = bytes.checked_sub(self.text.len());
        self.subtract_results(left).is_some()
    }

    /// Subtracts the size of the results from `left` bytes; `None` if they are larger.
    fn subtract_results(&self, left: Option<usize>) -> Option<usize> {
        self.resolved().iter().try_fold(left?, |left, ResolvedCall { call, output }| {
            let left = left.checked_sub(VALUE + call.name.len())?;
            subtract_fields(output, subtract_fields(&call.arguments, left)?)
        })
    }

    /// Whether a template with these `uses` reads at most `MAX_INLINE` bytes.
    pub(super) fn is_small(&self, uses: Uses) -> bool {
        let scene = &self.prompt.scene;
        let mut left = MAX_INLINE.checked_sub(self.text.len());
        if uses.history {
            let parts = self.prompt.history.iter().flat_map(|turn| &turn.parts);
            let mut texts = parts.filter_map(Part::as_text);
            left = texts
                .try_fold(left, |left, text| Some(left?.checked_sub(text.len() + VALUE)))
                .flatten();
        }
        if uses.trigger {
            let texts = self.prompt.trigger_content().unwrap_or_default().iter();
            let length = texts.filter_map(Part::as_text).map(|text| text.len() + VALUE).sum();
            left = left.and_then(|left| left.checked_sub(length));
        }
        if uses.parts {
            left = left.and_then(|left| left.checked_sub(self.prompt.message.len() * VALUE));
        }
        if uses.tool_results {
            left = self.subtract_results(left);
        }
        if uses.capabilities {
            let mut names = self.capabilities();
            left = names
                .try_fold(left, |left, name| Some(left?.checked_sub(VALUE + name.len())))
                .flatten();
        }
        for (used, map) in [(uses.variables, &scene.variables), (uses.meta, &scene.meta)] {
            if used {
                left = left.and_then(|left| subtract_fields(map, left));
            }
        }
        left.is_some()
    }

    /// The variables of a template with these `uses`.
    pub(super) fn context(&self, uses: Uses) -> minijinja::Value {
        let Prompt { instructions, history, message, scene, .. } = self.prompt;
        let text = ("text", minijinja::Value::from(&*self.text));
        let message = if uses.parts {
            minijinja::Value::from_pairs([text, ("parts", template::parts(message))])
        } else {
            minijinja::Value::from_pairs([text])
        };
        let object = |used: bool, fields| {
            if used { template::object(fields) } else { minijinja::Value::UNDEFINED }
        };
        context! {
            message,
            history => if uses.history { template::history(history) } else { ().into() },
            variables => object(uses.variables, &scene.variables),
            meta => object(uses.meta, &scene.meta),
            instructions => instructions.as_str(),
            agent => &scene.agent,
            account => scene.account.as_str(),
            deployment => scene.deployment.as_ref().map(ToString::to_string),
            model => &*scene.model,
            turn => scene.turn,
            trigger => uses.trigger.then(|| self.trigger()).flatten(),
            tool_results => if uses.tool_results {
                template::tool_results(self.resolved())
            } else {
                ().into()
            },
            capabilities => if uses.capabilities {
                self.capabilities().map(minijinja::Value::from).collect()
            } else {
                minijinja::Value::from(())
            },
        }
    }

    /// The trigger as templates see it.
    fn trigger(&self) -> Option<minijinja::Value> {
        let used = self.prompt.scene.trigger.as_ref()?;
        let text = self.prompt.trigger_content().map(text_of);
        Some(context! {
            id => used.id.as_str(),
            ui_surface => &used.ui_surface,
            text => text.as_deref(),
        })
    }
}

/// The bytes that may be matched or rendered on the thread that answers the request.
pub(super) const MAX_INLINE: usize = 64 << 10;

/// The bytes that each value counts for in addition to its text.
const VALUE: usize = 64;

/// Subtracts the size of `value` from `left` bytes; `None` if it is larger.
fn subtract_size(value: &Value, left: usize) -> Option<usize> {
    let left = left.checked_sub(VALUE)?;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(left),
        Value::String(text) => left.checked_sub(text.len()),
        Value::Array(items) => items.iter().try_fold(left, |left, item| subtract_size(item, left)),
        Value::Object(fields) => subtract_fields(fields, left),
    }
}

/// Subtracts the size of the fields of an object from `left` bytes; `None` if it is larger.
fn subtract_fields(fields: &Map<String, Value>, left: usize) -> Option<usize> {
    fields
        .iter()
        .try_fold(left, |left, (name, field)| subtract_size(field, left.checked_sub(name.len())?))
}

/// A hash for look-ups. It does not depend on the process.
pub(super) fn hash_of(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = SipHasher13::new();
    value.hash(&mut hasher);
    hasher.finish()
}
