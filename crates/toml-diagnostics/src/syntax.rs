//! Finds every syntax error of a file and parses the rest.
//!
//! The parser's own recovery reports one mistake several times and may drop the rest of the file. So
//! only its first error is used, the broken text is blanked (offsets do not change), and parsing
//! continues from there. An error within one line blanks the line; otherwise everything up to the next
//! header is blanked, because the intended end of an unclosed bracket or string is unknown.
//!
//! Errors are searched in windows, so that each costs the time of a window, not of the file.

use toml::de::{DeTable, Error};

use crate::source::{Diagnostic, Source};
use crate::tree::{Entry, entries};
use crate::unread::Unread;

/// The rest of a file with more syntax errors than this is not read.
const MAX_ERRORS: usize = 50;

/// Size of a window in bytes; it grows if the error may be caused by its end.
const WINDOW: usize = 16 << 10;

/// Maximum number of bytes parsed to find the errors of a file.
const MAX_PARSED: usize = 24 << 20;

/// Maximum number of lines searched upwards for the start of an unclosed bracket or string.
const MAX_SEARCH: usize = 100;

/// Longer lines are not taken for headers.
const MAX_HEADER: usize = 1_000;

/// A file without its syntax errors.
#[derive(Default)]
pub(crate) struct Recovered {
    pub(crate) entries: Vec<Entry>,
    /// Byte offsets of errors; tables that contain one are incomplete.
    pub(crate) damage: Vec<usize>,
    /// Blanked text that belongs to no item.
    pub(crate) unread: Unread,
}

/// Reports every syntax error and parses the rest.
pub(crate) fn recover(source: &Source, diagnostics: &mut Vec<Diagnostic>) -> Recovered {
    let (mut recovered, before) = (Recovered::default(), diagnostics.len());
    let (mut root, mut errors) = DeTable::parse_recoverable(&source.text);
    let first = errors.iter().filter(|error| !is_repeated_key(error)).min_by_key(|e| start(e));
    let blanked;
    if let Some(first) = first {
        let Some(text) = blank_errors(source, &mut recovered, diagnostics) else {
            if diagnostics.len() == before {
                source.report(diagnostics, start(first), "", words(first));
            }
            return Recovered { unread: Unread::any(), ..Recovered::default() };
        };
        blanked = text;
        (root, errors) = DeTable::parse_recoverable(&blanked);
    }
    report_repeated_keys(source, &errors, &mut recovered.damage, diagnostics);
    recovered.entries = entries(root.get_ref());
    recovered
}

/// The text with errors blanked; `None` if there are too many, or if they take too long to find.
fn blank_errors(
    source: &Source,
    recovered: &mut Recovered,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<String> {
    let mut text = source.text.clone();
    let (mut from, mut window, mut left) = (0, WINDOW, MAX_PARSED);
    let mut errors = 0;
    while from < text.len() && errors < MAX_ERRORS {
        let to = source.next_line(from + window);
        left = left.checked_sub(to - from)?;
        let Some(error) = first_error(text.get(from..to)?) else {
            (from, window) = (to, WINDOW);
            continue;
        };
        let at = from + start(&error);
        if to < text.len() && source.next_line(at) >= to {
            // May be caused by the end of the window.
            window = 2 * (to - from);
            continue;
        }
        let cut = Cut::around(source, text.get(from..)?, from, &error, &mut left);
        source.report(diagnostics, cut.offset, "", cut.message);
        match cut.damage {
            Some(offset) => recovered.damage.push(offset),
            None => recovered.unread.add_unknown(source.line(cut.from)),
        }
        let broken = text.get(cut.from..cut.to)?;
        if broken.trim().is_empty() {
            return None;
        }
        let blank: String =
            broken.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
        text.replace_range(cut.from..cut.to, &blank);
        errors += 1;
    }
    (errors < MAX_ERRORS).then_some(text)
}

/// What to blank and to report for an error.
struct Cut {
    from: usize,
    to: usize,
    /// The offset in the item that it damages; `None` outside of items.
    damage: Option<usize>,
    /// The position to report.
    offset: usize,
    message: String,
}

impl Cut {
    /// `text`, which begins at the offset `from` with a statement, has the error.
    fn around(source: &Source, text: &str, from: usize, error: &Error, left: &mut usize) -> Self {
        let at = from + start(error);
        let here = source.line_start(at);
        let line = source.line(at);
        let is_line_broken = DeTable::parse(line).is_err();
        let begin = statement_begin(source, text, from, here, left);
        let (offset, message) = (at, words(error));
        if begin == here && is_line_broken && !was_header(line) {
            let to = source.next_line(at);
            return Self { from: here, to, damage: Some(at), offset, message };
        }
        if begin == here && is_line_broken {
            // Everything under a misspelt header belongs to it, including its own `[parts.of]`. The item
            // above is not damaged, unless the header was meant as a part of it.
            let is_part = line.contains('.');
            let is_end = |line: &str| is_part || !line.contains('.');
            let to = next_header(source, source.next_line(at), is_end);
            return Self { from: here, to, damage: is_part.then_some(at), offset, message };
        }
        let to = next_header(source, source.next_line(begin), |_| true);
        if is_line_broken {
            return Self { from: begin, to, damage: Some(begin), offset, message };
        }
        let (line, _) = source.position(at);
        let message = format!("what begins here goes wrong in line {line}: {message}");
        Self { from: begin, to, damage: Some(begin), offset: begin, message }
    }
}

/// The start of the statement that contains the line at `here`; `text`, which begins at `from`, has no
/// error before it.
fn statement_begin(
    source: &Source,
    text: &str,
    from: usize,
    here: usize,
    left: &mut usize,
) -> usize {
    let above = |line: &usize| line.checked_sub(1).map(|end| source.line_start(end));
    let mut lines = std::iter::successors(Some(here), above).take(MAX_SEARCH);
    let is_begin = |line: &usize| {
        let before = line.checked_sub(from).and_then(|length| text.get(..length));
        *left = left.saturating_sub(before.map_or(0, str::len));
        *left == 0 || before.is_none_or(|before| first_error(before).is_none())
    };
    lines.find(is_begin).unwrap_or(here)
}

/// Reports keys that are repeated: the parser keeps the first, so there is nothing to blank.
///
/// A repeated header is one error, not one per key under it. If a section that began as a table continues
/// as a list, everything that follows is left out, because its items cannot be separated.
fn report_repeated_keys(
    source: &Source,
    errors: &[Error],
    damage: &mut Vec<usize>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut errors: Vec<&Error> = errors.iter().collect();
    errors.sort_by_key(|error| start(error));
    let mut explained_to = 0;
    for error in errors {
        let at = start(error);
        damage.push(at);
        if at < explained_to {
            continue;
        }
        source.report(diagnostics, at, "", words(error));
        let line = source.line(at);
        if line.trim_start().starts_with("[[") {
            explained_to = usize::MAX;
        } else if is_header(line) {
            explained_to = next_header(source, source.next_line(at), |_| true);
        }
    }
}

/// The first error that is not a repeated key.
fn first_error(text: &str) -> Option<Error> {
    let (_, errors) = DeTable::parse_recoverable(text);
    errors.into_iter().filter(|error| !is_repeated_key(error)).min_by_key(start)
}

fn is_repeated_key(error: &Error) -> bool {
    error.message().starts_with("duplicate key")
}

fn start(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

/// The start of the first such header at or after `line`, or the end.
fn next_header(source: &Source, mut line: usize, is_wanted: impl Fn(&str) -> bool) -> usize {
    let is_end = |line: &str| is_header(line) && is_wanted(line);
    while line < source.text.len() && !is_end(source.line(line)) {
        line = source.next_line(line);
    }
    line
}

/// Headers may be indented; so may nested lists, which are not headers.
fn is_header(line: &str) -> bool {
    let is_valid = || line.len() <= MAX_HEADER && DeTable::parse(line).is_ok();
    line.starts_with('[') || (line.trim_start().starts_with('[') && is_valid())
}

/// Whether a broken line looks like a header.
fn was_header(line: &str) -> bool {
    let is_letter = |c: &char| c.is_alphanumeric() || "[\"'_#".contains(*c);
    let ends_as_header = line.trim_end().ends_with(']') && !line.contains('=');
    ends_as_header || line.chars().find(is_letter) == Some('[')
}

/// The parser's message, without unhelpful parts.
fn words(error: &Error) -> String {
    let message = error.message();
    let message = message.strip_suffix(", expected nothing").unwrap_or(message);
    // A string not closed before the line ends in CR LF.
    message
        .replace("non-double-quote visible characters, `\\`", "`\"`")
        .replace("non-single-quote visible characters", "`'`")
}
