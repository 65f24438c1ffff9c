//! The direction of the house (docs/ARCHITECTURE.md), read off the sources.

use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The files under `src` that use `word` outside comments, and stand under none of `allowed`.
fn strays(word: &str, allowed: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 20, "the sources are where this test looks");
    let mut strays = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(&file).unwrap();
        let used = text.lines().any(|line| {
            let code = line.split("//").next().unwrap();
            code.contains(word)
        });
        if used && !allowed.iter().any(|prefix| name.starts_with(prefix)) {
            strays.push(name);
        }
    }
    strays
}

fn none(strays: &[String]) {
    assert!(strays.is_empty(), "{strays:?}");
}

#[test]
fn sql_is_spelt_in_the_store_only() {
    none(&strays("sqlx::", &["storage"]));
}

#[test]
fn http_is_spelt_under_http_and_in_the_app_only() {
    none(&strays("axum::", &["http", "server"]));
    none(&strays("hyper", &["http", "server"]));
}

#[test]
fn each_layer_uses_only_what_stands_left_of_it() {
    let layers = [
        "domain", "storage", "models", "fixtures", "app", "openapi", "http", "config", "server",
        "testing", "cli", "main.rs", "lib.rs",
    ];
    for (place, layer) in layers.iter().enumerate() {
        let right: &[&str] = layers.get(place..).unwrap();
        if !["main.rs", "lib.rs"].contains(layer) {
            none(&strays(&format!("crate::{layer}"), right));
        }
    }
}

#[test]
fn the_rooms_never_name_each_other() {
    none(&strays(
        "runner::",
        &[
            "http/apis/runner",
            "http/mod.rs",
            "http/pipeline.rs",
            "app",
            "config.rs",
            "server",
            "testing",
            "cli",
        ],
    ));
}
