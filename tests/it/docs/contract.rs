//! The ledger (docs/contract.md): every fact has a test, and every test it names is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The names of all functions in the Rust files under `folder`.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1).map(|rest| {
                let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next();
                name.unwrap().to_owned()
            });
            found.extend(names);
        }
    }
}

/// A row of a table of facts.
struct Row {
    line: usize,
    fact: String,
    source: String,
    tests: Vec<String>,
}

/// The rows of the ledger's tables: those with a fact, a source and a test, heads aside.
fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("docs/contract.md")).unwrap();
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
        let masked = line.replace("\\|", "\u{0}");
        let cells: Vec<&str> = masked.trim_matches('|').split('|').map(str::trim).collect();
        let [fact, source, held_by] = cells[..] else {
            panic!("line {}: a row has three columns: {line}", index + 1);
        };
        if fact == "Fact" || fact.starts_with("---") {
            continue;
        }
        let tests = held_by.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let (fact, source) = (fact.to_owned(), source.to_owned());
        rows.push(Row { line: index + 1, fact, source, tests });
    }
    assert!(rows.len() > 50, "the ledger is where this test looks");
    rows
}

#[test]
fn every_test_that_the_ledger_names_is_there() {
    let mut there = BTreeSet::new();
    for folder in ["src", "tests", "crates"] {
        functions(&root().join(folder), &mut there);
    }
    let missing: Vec<String> = rows()
        .iter()
        .flat_map(|row| row.tests.iter().map(move |test| format!("line {}: {test}", row.line)))
        .filter(|named| !there.contains(named.split(": ").nth(1).unwrap()))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_fact_in_the_ledger_has_a_source_and_a_test() {
    for Row { line, fact, source, tests } in rows() {
        let kind = source.split([' ', ',', ':']).next().unwrap();
        let known = kind.split('/').all(|kind| ["D", "R", "C"].contains(&kind));
        assert!(known, "line {line}: `{source}` is no source");
        assert!(!tests.is_empty(), "line {line}: no test holds: {fact}");
    }
}
