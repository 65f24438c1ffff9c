//! The model provider that repeats the last message, or the results of the client's tools.

use futures::future::{BoxFuture, FutureExt as _, ready};

use super::in_output_mode;
use super::tool_output::json_text;
use super::{ModelError, ModelProvider, ModelReply, ModelRequest, Usage};
use crate::domain::Part;
use crate::domain::agent_run::ResolvedCall;

/// Repeats the last message: its texts joined by line breaks, a file part as
/// `[image image/jpeg https://…]`. Of a request that resumes an agent run it repeats the results, one a
/// line: `get_weather: {"temperature":21}`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

impl ModelProvider for Echo {
    fn answer(&self, ask: ModelRequest) -> BoxFuture<'_, Result<ModelReply, ModelError>> {
        let text = match &ask.prompt.tools {
            Some(tools) if tools.is_resume() => echo_results(&tools.resolved),
            _ => echo(&ask.prompt.message),
        };
        let text = in_output_mode(ask.prompt.output, text, "echo");
        let thoughts = ask.thoughts.then(|| "I give the last message back as it is.".to_owned());
        ready(Ok(ModelReply { thoughts, ..ModelReply::whole(text, Usage::default()) })).boxed()
    }
}

fn echo(parts: &[Part]) -> String {
    if let [part] = parts {
        return echo_part(part);
    }
    let lines: Vec<String> = parts.iter().map(echo_part).collect();
    lines.join("\n")
}

fn echo_results(results: &[ResolvedCall]) -> String {
    let line = |ResolvedCall { call, output }: &ResolvedCall| {
        format!("{}: {}", call.name, json_text(output))
    };
    results.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn echo_part(part: &Part) -> String {
    match part {
        Part::Text { text } => text.clone(),
        Part::Image(file) | Part::Video(file) | Part::Audio(file) | Part::Url(file) => {
            format!("[{} {} {}]", part.kind(), file.mime_type, file.file_uri)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::conversation::FileRef;

    #[test]
    fn texts_are_joined_by_line_breaks_and_files_are_named() {
        let image = FileRef {
            mime_type: "image/jpeg".into(),
            file_uri: "https://example.com/a.jpg".into(),
        };
        let parts = [Part::text("Look:"), Part::Image(image), Part::text("nice")];
        assert_eq!(echo(&parts), "Look:\n[image image/jpeg https://example.com/a.jpg]\nnice");
    }
}
