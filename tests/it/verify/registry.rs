//! The registry is sound: ids, sources, and where they are written.

use std::collections::BTreeSet;

use mynah_verify::{Api, Check, SourceKind, checks};

const LEDGER: &str = include_str!("../../../docs/contract.md");

#[test]
fn ids_are_unique_and_begin_with_their_api() {
    let mut ids = BTreeSet::new();
    for Check { id, title, .. } in checks() {
        assert!(ids.insert(*id), "{id} stands there twice");
        let parts: Vec<&str> = id.split('.').collect();
        assert_eq!(parts.len(), 3, "{id}");
        assert!(["runner", "characters"].contains(&parts[0]), "{id}");
        let plain = |c: char| c.is_ascii_lowercase() || c == '_' || c == '.' || c.is_ascii_digit();
        assert!(id.chars().all(plain), "{id}");
        assert!(!title.is_empty() && !title.ends_with('.'), "{id}: {title}");
    }
    assert!(ids.len() >= 60, "{} facts", ids.len());
}

/// The part of the ledger that is about an API of its own.
fn of_api(api: Api) -> &'static str {
    let (runner, characters) = LEDGER.split_once("\n## Characters API: samples").unwrap();
    match api {
        Api::Runner => runner,
        Api::Characters => characters,
    }
}

#[test]
fn every_source_is_a_section_of_the_contract() {
    for fact in checks() {
        let source = fact.source;
        let (document, section) = (source.document, source.section);
        let text = of_api(fact.api());
        let named = match source.kind {
            SourceKind::Choice => LEDGER.lines().any(|line| line == format!("## {section}")),
            SourceKind::Document if fact.api() == Api::Characters => {
                document == "characters.txt"
                    && (text.contains(&format!("| D {section}"))
                        || text.contains(&format!("| D \"{section}\"")))
            }
            SourceKind::Document | SourceKind::Further => {
                text.contains(&format!("{document}, \"{section}\""))
            }
        };
        assert!(named, "{}: {source} is not in docs/contract.md", fact.id);
    }
}
