//! The text of a file, its lines, and the errors found in it.

use std::fmt;

use crate::MAX_DIAGNOSTICS;

/// Maximum number of lines reported as not UTF-8, because a file in another encoding may have an error
/// on every line.
const MAX_ENCODING_ERRORS: usize = 20;

/// Byte order marks of UTF-16.
const UTF_16_MARKS: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];

/// One error in a file. Displayed as `file:line:column: path: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The name of the file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The field, `rule[0].when.regex`; empty if the error concerns no item.
    pub path: String,
    /// What is wrong, in lower case.
    pub message: String,
}

impl Diagnostic {
    /// The path, if there is one, and the message.
    pub fn text(&self) -> String {
        let Self { path, message, .. } = self;
        if path.is_empty() { message.clone() } else { format!("{path}: {message}") }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}: {}", self.file, self.line, self.column, self.text())
    }
}

/// The text of a file with the offsets of its lines.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Byte offsets; the first is 0.
    line_starts: Vec<usize>,
    /// Lines that are not UTF-8. Other errors in them are consequences.
    undecoded: Vec<usize>,
}

impl Source {
    /// Decodes a file. U+FFFD replaces invalid UTF-8, with one error per line; a file in UTF-16 is read
    /// as empty.
    pub(crate) fn decode(name: &str, bytes: &[u8], diagnostics: &mut Vec<Diagnostic>) -> Self {
        if UTF_16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
            let source = Self::new(name, String::new());
            source.report(diagnostics, 0, "", "this is UTF-16; save the file as UTF-8");
            return source;
        }
        let (mut text, mut invalid) = (String::with_capacity(bytes.len()), Vec::new());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            if let Some(byte) = chunk.invalid().first() {
                invalid.push((text.len(), *byte));
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        let mut source = Self::new(name, text);
        invalid.dedup_by_key(|(offset, _)| source.line_start(*offset));
        for (offset, byte) in invalid.iter().take(MAX_ENCODING_ERRORS) {
            let message = format!("the byte 0x{byte:02X} is not UTF-8; save the file as UTF-8");
            source.report(diagnostics, *offset, "", message);
        }
        if let Some((offset, _)) = invalid.get(MAX_ENCODING_ERRORS) {
            let more = invalid.len() - MAX_ENCODING_ERRORS;
            source.report(diagnostics, *offset, "", format!("{more} more lines are not UTF-8"));
        }
        source.undecoded = invalid.iter().map(|(offset, _)| source.position(*offset).0).collect();
        source
    }

    fn new(name: &str, text: String) -> Self {
        let after_breaks = text.match_indices('\n').map(|(offset, _)| offset + 1);
        let line_starts = std::iter::once(0).chain(after_breaks).collect();
        Self { name: name.to_owned(), text, line_starts, undecoded: Vec::new() }
    }

    /// Adds an error, unless the line could not be decoded or there are too many already.
    pub(crate) fn report(
        &self,
        diagnostics: &mut Vec<Diagnostic>,
        offset: usize,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        let diagnostic = self.diagnostic(offset, path, message);
        if diagnostics.len() <= MAX_DIAGNOSTICS
            && self.undecoded.binary_search(&diagnostic.line).is_err()
        {
            diagnostics.push(diagnostic);
        }
    }

    pub(crate) fn diagnostic(
        &self,
        offset: usize,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Diagnostic {
        let (line, column) = self.position(offset);
        let (path, message) = (path.into(), message.into());
        Diagnostic { file: self.name.clone(), line, column, path, message }
    }

    /// Line and column of a byte offset, both from 1, the column in characters. A byte order mark
    /// takes no column: editors do not show it.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let before = self.text.get(self.line_start(offset)..offset).unwrap_or_default();
        let column = before.trim_start_matches('\u{feff}').chars().count();
        (line, column + 1)
    }

    /// The start of the line of `offset`.
    pub(crate) fn line_start(&self, offset: usize) -> usize {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        line.checked_sub(1).and_then(|line| self.line_starts.get(line)).copied().unwrap_or(0)
    }

    /// The start of the line after that of `offset`, or the end of the text.
    pub(crate) fn next_line(&self, offset: usize) -> usize {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        self.line_starts.get(line).copied().unwrap_or(self.text.len())
    }

    /// The line of `offset`, its line break included.
    pub(crate) fn line(&self, offset: usize) -> &str {
        self.text.get(self.line_start(offset)..self.next_line(offset)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(bytes: &[u8]) -> Vec<String> {
        let mut diagnostics = Vec::new();
        Source::decode("a.toml", bytes, &mut diagnostics);
        diagnostics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_line_that_is_not_utf_8_is_named_once() {
        assert_eq!(errors("é = 'ü'\r\n".as_bytes()), [""; 0]);
        assert_eq!(
            errors(b"a = 1\nb = \"caf\xe9 caf\xe9\"\nc = \"\xc3\xa9\xff\"\n"),
            [
                "a.toml:2:9: the byte 0xE9 is not UTF-8; save the file as UTF-8",
                "a.toml:3:7: the byte 0xFF is not UTF-8; save the file as UTF-8",
            ]
        );
    }

    #[test]
    fn of_many_lines_some_are_named_and_the_rest_counted() {
        let found = errors(&b"\xe9\n".repeat(25));
        assert_eq!(found.len(), 21);
        assert_eq!(found.last().unwrap(), "a.toml:21:1: 5 more lines are not UTF-8");
    }

    #[test]
    fn utf_16_is_called_what_it_is() {
        let expected = ["a.toml:1:1: this is UTF-16; save the file as UTF-8"];
        assert_eq!(errors(b"\xff\xfea\0"), expected);
        assert_eq!(errors(b"\xfe\xff\0a"), expected);
    }
}
