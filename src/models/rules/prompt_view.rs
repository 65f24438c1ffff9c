//! A prompt as rules and templates see it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::hash::{Hash, Hasher as _};

use minijinja::context;
use serde_json::Value;
use siphasher::sip::SipHasher13;

use super::template::{self, Uses};
use crate::domain::conversation::text_of;
use crate::domain::{Api, Part, Prompt};
use crate::ids::DeploymentId;

/// A prompt with the values that rules derive from it, each computed once, on first use.
pub(super) struct PromptView<'p> {
    pub(super) prompt: &'p Prompt,
    pub(super) text: Cow<'p, str>,
    lower_case: OnceCell<String>,
    text_hash: OnceCell<u64>,
}

impl<'p> PromptView<'p> {
    pub(super) fn new(prompt: &'p Prompt) -> Self {
        Self {
            prompt,
            text: text_of(&prompt.message),
            lower_case: OnceCell::new(),
            text_hash: OnceCell::new(),
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
        for (used, map) in [(uses.variables, &scene.variables), (uses.meta, &scene.meta)] {
            if used {
                left =
                    map.values().try_fold(left, |left, value| Some(subtract_size(value, left?))).flatten();
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
        Value::Object(fields) => fields.values().try_fold(left, |left, field| subtract_size(field, left)),
    }
}

/// A hash for look-ups. It does not depend on the process.
pub(super) fn hash_of(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = SipHasher13::new();
    value.hash(&mut hasher);
    hasher.finish()
}
