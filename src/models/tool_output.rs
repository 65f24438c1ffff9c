//! The outputs of the client's tools as text.

use std::io::{self, Write};

use serde_json::{Map, Value};

/// The JSON text of an output.
pub(super) fn json_text(output: &Map<String, Value>) -> String {
    text_within(output, usize::MAX).0
}

/// The beginning of the JSON text of an output, at most `max` characters. Takes time in proportion to
/// `max`, however long the output is.
pub(super) fn excerpt(output: &Map<String, Value>, max: usize) -> String {
    const MAX_CHARACTER: usize = 4;
    let (text, is_whole) = text_within(output, max.saturating_mul(MAX_CHARACTER));
    match text.char_indices().nth(max) {
        None if is_whole => text,
        _ => text.chars().take(max.saturating_sub(1)).chain(['\u{2026}']).collect(),
    }
}

/// The first `max_bytes` bytes of the JSON text, less a character that is cut, and whether that is all.
fn text_within(output: &Map<String, Value>, max_bytes: usize) -> (String, bool) {
    let mut writer = BoundedWriter { text: Vec::new(), left: max_bytes };
    // Fails only where the writer stops: an object with text as its keys can be serialized.
    let is_whole = serde_json::to_writer(&mut writer, output).is_ok();
    let mut text = writer.text;
    if let Err(error) = std::str::from_utf8(&text) {
        text.truncate(error.valid_up_to());
    }
    (String::from_utf8_lossy(&text).into_owned(), is_whole)
}

/// Stops the serialization after a number of bytes.
struct BoundedWriter {
    text: Vec<u8>,
    left: usize,
}

impl Write for BoundedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (taken, rest) = bytes.split_at(bytes.len().min(self.left));
        self.text.extend_from_slice(taken);
        self.left -= taken.len();
        if rest.is_empty() { Ok(taken.len()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_excerpt_has_at_most_so_many_characters() {
        for (output, max, expected) in [
            (json!({}), 5, "{}"),
            (json!({"a": "ääää"}), 12, r#"{"a":"ääää"}"#),
            (json!({"a": "ääää"}), 11, "{\"a\":\"ääää…"),
            (json!({"a": "x".repeat(100)}), 10, "{\"a\":\"xxx…"),
            (json!({"a": "🦀".repeat(100)}), 10, "{\"a\":\"🦀🦀🦀…"),
        ] {
            let output = output.as_object().unwrap();
            assert_eq!(excerpt(output, max), expected);
            assert_eq!(json_text(output), Value::Object(output.clone()).to_string());
        }
    }
}
