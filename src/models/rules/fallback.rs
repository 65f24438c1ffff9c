//! The generated text for prompts that no rule matches. It is a pure function of the prompt, so it is
//! the same in every run.

use std::hash::Hasher as _;

use serde_json::json;
use siphasher::sip::SipHasher24;

use crate::domain::agent_run::ResolvedCall;
use crate::domain::conversation::Role;
use crate::domain::conversation::text_of;
use crate::domain::{OutputMode, Part, Prompt};
use crate::models::tool_output;

const OPENINGS: [&str; 6] = [
    "Happy to help with",
    "Let me take a look at",
    "Thanks for asking about",
    "Good question about",
    "Here is how I would approach",
    "Let us go through",
];

const BODIES: [&str; 6] = [
    "The short version: start with what you already know, change one thing at a time, and check \
     the result before you move on.",
    "There are usually two or three ways to do this. The simplest one is most often enough, and \
     it leaves room to improve later.",
    "What matters most is the goal behind it. Once that is clear, the next step tends to follow \
     by itself.",
    "I would begin with a small example, see how it behaves, and only then apply it to the whole.",
    "The main points are the context, the constraints and the outcome you expect. Everything else \
     is detail that can be settled on the way.",
    "It helps to write down what you expect to happen first; comparing that with what does happen \
     answers most of the question.",
];

const CLOSINGS: [&str; 6] = [
    "Would you like me to go into more detail?",
    "Tell me a little more and I can be more specific.",
    "Shall we take the first step together?",
    "Let me know which part matters most to you.",
    "I can give an example if that is useful.",
    "Is there anything about it you would like me to explain first?",
];

/// The characters of the question that an excerpt holds.
const MAX_EXCERPT: usize = 80;
/// The characters of a tool's output that the text mentions.
const MAX_OUTPUT: usize = 200;

#[expect(clippy::expect_used, reason = "a remainder of 6 is the index of one of 6 texts")]
pub(super) fn answer(prompt: &Prompt) -> String {
    let mut choice = fingerprint(prompt);
    let mut pick = |from: &[&'static str; 6]| {
        let index = usize::try_from(choice % 6).expect("6 fits into usize");
        choice /= 6;
        *from.get(index).expect("there are 6 texts")
    };
    let subject = subject(&prompt.message);
    let results = results(prompt);
    let (opening, body, closing) = (pick(&OPENINGS), pick(&BODIES), pick(&CLOSINGS));
    match prompt.output {
        OutputMode::Text => {
            let earlier = earlier(prompt).map_or_else(String::new, |text| {
                format!(" Earlier you mentioned \u{201c}{text}\u{201d}; I have kept that in mind.")
            });
            format!("{opening} {subject}.{earlier}{results} {body}\n\n{closing}")
        }
        OutputMode::Structured => {
            let answer = format!("{results} {body}");
            let answer = answer.trim_start();
            json!({ "subject": subject, "answer": answer, "follow_up": closing }).to_string()
        }
    }
}

pub(super) fn thoughts(prompt: &Prompt) -> String {
    let subject = subject(&prompt.message);
    let context = match prompt.history.len() {
        0 => "There is nothing before it that I need to take into account.".to_owned(),
        1 => "One earlier message gives it context.".to_owned(),
        many => format!("{many} earlier messages give it context."),
    };
    format!(
        "The message is about {subject}. {context} I will answer the main point first, briefly, \
         and offer to go into detail."
    )
}

/// The question in quotes, cut at a word; else the kinds of the parts.
fn subject(message: &[Part]) -> String {
    let text = text_of(message);
    match (excerpt(&text), message.iter().find_map(|part| part.as_file().map(|_| part.kind()))) {
        (Some(excerpt), None) => format!("\u{201c}{excerpt}\u{201d}"),
        (Some(excerpt), Some(kind)) => {
            format!("\u{201c}{excerpt}\u{201d} and the {} you sent", file_word(kind))
        }
        (None, Some(kind)) => format!("the {} you sent", file_word(kind)),
        (None, None) => "your message".to_owned(),
    }
}

fn file_word(kind: &str) -> &str {
    if kind == "url" { "document" } else { kind }
}

/// What the client's tools returned, as sentences with a space before each; empty unless the request
/// resumes an agent run.
fn results(prompt: &Prompt) -> String {
    let results = prompt.tools.iter().flat_map(|tools| &tools.resolved);
    let sentence = |ResolvedCall { call, output }: &ResolvedCall| {
        format!(" {} returned {}.", call.name, tool_output::excerpt(output, MAX_OUTPUT))
    };
    results.map(sentence).collect()
}

/// An excerpt of the user's previous message.
fn earlier(prompt: &Prompt) -> Option<String> {
    let turn = prompt.history.iter().rev().find(|turn| turn.role == Role::User)?;
    excerpt(&text_of(&turn.parts))
}

/// The first words of `text` without trailing punctuation; `None` if there are none.
fn excerpt(text: &str) -> Option<String> {
    let mut excerpt = String::new();
    let mut cut = false;
    for word in text.split_whitespace() {
        let length = excerpt.chars().count() + word.chars().count() + 1;
        if length > MAX_EXCERPT && !excerpt.is_empty() {
            cut = true;
            break;
        }
        if !excerpt.is_empty() {
            excerpt.push(' ');
        }
        excerpt.extend(word.chars().take(MAX_EXCERPT));
    }
    let mut excerpt = excerpt.trim_end_matches(['.', ',', ';', ':', '!', '?']).to_owned();
    if excerpt.is_empty() {
        return None;
    }
    if cut {
        excerpt.push('\u{2026}');
    }
    Some(excerpt)
}

fn fingerprint(prompt: &Prompt) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(0, 0);
    let mut add = |text: &str| {
        hasher.write(text.as_bytes());
        hasher.write_u8(0xff);
    };
    add(&prompt.instructions);
    for turn in &prompt.history {
        add(&text_of(&turn.parts));
    }
    for part in prompt.message.iter() {
        add(part.kind());
        match part {
            Part::Text { text } => add(text),
            Part::Image(file) | Part::Video(file) | Part::Audio(file) | Part::Url(file) => {
                add(&file.mime_type);
                add(&file.file_uri);
            }
        }
    }
    for ResolvedCall { call, output } in prompt.tools.iter().flat_map(|tools| &tools.resolved) {
        add(&call.name);
        add(&tool_output::excerpt(output, MAX_OUTPUT));
    }
    hasher.finish()
}
