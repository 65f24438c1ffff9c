//! The model provider that repeats the last message.

use futures::future::{BoxFuture, FutureExt as _, ready};

use super::in_output_mode;
use super::{ModelError, ModelProvider, ModelReply, ModelRequest, Usage};
use crate::domain::Part;

/// Repeats the last message: its texts joined by line breaks, a file part as
/// `[image image/jpeg https://…]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

impl ModelProvider for Echo {
    fn answer(&self, ask: ModelRequest) -> BoxFuture<'_, Result<ModelReply, ModelError>> {
        let text = echo(&ask.prompt.message);
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
