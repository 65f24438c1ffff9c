//! The table of facts (docs/contract.md): every fact has a test, and every test that it names exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Collects the names of functions.
#[derive(Default)]
struct Functions(BTreeSet<String>);

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.0.insert(function.sig.ident.to_string());
        visit::visit_item_fn(self, function);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        // Tests of `proptest!` are in its tokens.
        let tokens: Vec<_> =
            item.tokens.clone().into_iter().map(|token| token.to_string()).collect();
        for pair in tokens.windows(2) {
            if pair[0] == "fn" {
                self.0.insert(pair[1].clone());
            }
        }
    }
}

impl Functions {
    /// Adds those of all Rust files below `folder`.
    fn add(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.add(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                self.visit_file(&syn::parse_file(&text).unwrap());
            }
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
fn every_test_that_the_contract_names_exists() {
    let mut functions = Functions::default();
    for folder in ["src", "tests", "crates"] {
        functions.add(&root().join(folder));
    }
    let missing: Vec<String> = rows()
        .iter()
        .flat_map(|row| row.tests.iter().map(move |test| format!("line {}: {test}", row.line)))
        .filter(|named| !functions.0.contains(named.split(": ").nth(1).unwrap()))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_fact_in_the_contract_has_a_source_and_a_test() {
    for Row { line, fact, source, tests } in rows() {
        let kind = source.split([' ', ',', ':']).next().unwrap();
        let known = kind.split('/').all(|kind| ["D", "R", "C"].contains(&kind));
        assert!(known, "line {line}: `{source}` is no source");
        assert!(!tests.is_empty(), "line {line}: no test holds: {fact}");
    }
}
