//! Finds every syntax error of a file, and parses the rest of it.
//!
//! The parser's own recovery reports one slip several times and may drop the rest of the file. So
//! only its first error is taken, the broken text is blanked (offsets stay as they are), and parsing
//! goes on from there. What is blanked is the line, if the error begins and ends in it, and otherwise
//! everything up to the next header: where a bracket or a string that is never closed was meant to
//! end is not known.
//!
//! Errors are looked for in windows, so that each costs the time of a window, not of the file.

use toml::de::{DeTable, Error};

use crate::source::{Diagnostic, Source};
use crate::tree::{Entry, entries};
use crate::unread::Unread;

/// The rest of a file with more syntax errors than this is not read.
const MAX_ERRORS: usize = 50;

/// How many bytes are parsed to find an error; more if it is not certain to be one.
const WINDOW: usize = 16 << 10;

/// The most bytes that are parsed to find the errors of one file.
const MAX_PARSED: usize = 24 << 20;

/// The most lines that are searched upwards for the beginning of what is never closed.
const MAX_SEARCH: usize = 100;

/// Longer lines are no headers.
const MAX_HEADER: usize = 1_000;

/// What is left of a file without its syntax errors.
#[derive(Default)]
pub(crate) struct Recovered {
    pub(crate) entries: Vec<Entry>,
    /// Byte offsets of errors: what holds one of them is incomplete.
    pub(crate) damage: Vec<usize>,
    /// What was blanked that belongs to no item.
    pub(crate) unread: Unread,
}

/// Reports every syntax error, and parses the rest.
pub(crate) fn recover(source: &Source, diagnostics: &mut Vec<Diagnostic>) -> Recovered {
    let mut recovered = Recovered::default();
    let (mut root, mut errors) = DeTable::parse_recoverable(&source.text);
    let blanked;
    if !errors.iter().all(is_repeated_key) {
        match blank_errors(source, &mut recovered, diagnostics) {
            Some(text) => blanked = text,
            None => return Recovered { unread: Unread::any(), ..Recovered::default() },
        }
        (root, errors) = DeTable::parse_recoverable(&blanked);
    }
    report_repeated_keys(source, &errors, &mut recovered.damage, diagnostics);
    recovered.entries = entries(root.get_ref());
    recovered
}

/// The text with blanks for what is broken; nothing if that is too much.
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
            // Perhaps only because the window ends here.
            window *= 2;
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

/// What to blank for one error, and what to report of it.
struct Cut {
    from: usize,
    to: usize,
    /// Where it damages an item; nothing if it is outside of all.
    damage: Option<usize>,
    /// Where the error is reported.
    offset: usize,
    message: String,
}

impl Cut {
    /// `text` begins at the offset `from`, with a statement, and has the error.
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
            // What is under a misspelt header belongs to it, its own `[parts.of]` included. Nothing
            // of the item above is damaged, unless the header was to be a part of that.
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

/// Where the statement begins that the line at `here` belongs to: `text`, which begins at `from`, has
/// no error before it.
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
/// A header that is there already is one error, not one for every key under it. Where a section that
/// began as a table goes on as a list, all that follows is left out: none of it can be told apart.
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

/// Where the first line at or after `line` begins that is such a header, or the end.
fn next_header(source: &Source, mut line: usize, is_wanted: impl Fn(&str) -> bool) -> usize {
    let is_end = |line: &str| is_header(line) && is_wanted(line);
    while line < source.text.len() && !is_end(source.line(line)) {
        line = source.next_line(line);
    }
    line
}

/// Headers may be indented; so may be lists in lists, which are no headers.
fn is_header(line: &str) -> bool {
    let is_valid = || line.len() <= MAX_HEADER && DeTable::parse(line).is_ok();
    line.starts_with('[') || (line.trim_start().starts_with('[') && is_valid())
}

/// Whether a broken line looks as if a header had been meant.
fn was_header(line: &str) -> bool {
    let is_letter = |c: &char| c.is_alphanumeric() || "[\"'_#".contains(*c);
    let ends_as_header = line.trim_end().ends_with(']') && !line.contains('=');
    ends_as_header || line.chars().find(is_letter) == Some('[')
}

/// The parser's words, without those that help nobody.
fn words(error: &Error) -> String {
    let message = error.message();
    let message = message.strip_suffix(", expected nothing").unwrap_or(message);
    // A string not closed before the line ends in CR LF.
    message
        .replace("non-double-quote visible characters, `\\`", "`\"`")
        .replace("non-single-quote visible characters", "`'`")
}
