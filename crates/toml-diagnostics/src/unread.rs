//! Sections that may lack items.

/// A name may be a misspelling of another if they share at least this many first letters …
const SAME_LETTERS: usize = 3;
/// … or differ by at most this many edits.
const MAX_EDITS: usize = 2;
/// Maximum number of characters compared.
const MAX_NAME: usize = 40;

/// The sections of a file that may have items which could not be read. A reference to an item that
/// is missing from such a section is not certain to be an error.
#[derive(Debug, Default)]
pub struct Unread {
    /// The rest of the file was not read.
    any: bool,
    sections: Vec<String>,
    /// Names of unknown sections, which may be misspelt.
    unknown: Vec<String>,
}

impl Unread {
    /// Whether `section` may have an item that could not be read.
    pub fn may_include(&self, section: &str) -> bool {
        self.any
            || self.sections.iter().any(|unread| unread == section)
            || self.unknown.iter().any(|name| is_similar(name, section))
    }

    /// Anything may be missing.
    pub(crate) fn any() -> Self {
        Self { any: true, ..Self::default() }
    }

    pub(crate) fn add_section(&mut self, section: &str) {
        if !self.sections.iter().any(|unread| unread == section) {
            self.sections.push(section.to_owned());
        }
    }

    /// Adds a key, or the broken line of a header.
    pub(crate) fn add_unknown(&mut self, name: &str) {
        let in_name = |c: &char| c.is_alphanumeric() || *c == '_';
        let name = name.chars().skip_while(|c| !in_name(c)).take_while(in_name);
        let name: String = name.take(MAX_NAME).collect();
        self.any |= name.is_empty();
        self.unknown.push(name);
    }
}

fn is_similar(name: &str, section: &str) -> bool {
    let same = name.chars().zip(section.chars()).take_while(|(a, b)| a.eq_ignore_ascii_case(b));
    let edits = MAX_EDITS.min(section.len() / 3);
    same.count() >= SAME_LETTERS || strsim::levenshtein(name, section) <= edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_header_may_be_of_a_section_that_is_spelt_like_it() {
        let mut unread = Unread::default();
        unread.add_unknown("[[deploymnet]");
        unread.add_unknown("rulee");
        unread.add_unknown("acount");
        assert!(unread.may_include("deployment") && unread.may_include("rule"));
        assert!(unread.may_include("account") && !unread.may_include("llm"));
        assert!(!unread.may_include("agent") && !unread.may_include("dialogue"));
    }
}
