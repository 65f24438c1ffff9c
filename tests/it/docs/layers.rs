//! The direction of dependencies (docs/ARCHITECTURE.md), read from the syntax trees of the sources.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use syn::visit::{self, Visit};

/// The modules of the crate, each using only itself and modules before it.
const LAYERS: [&[&str]; 10] = [
    &["ids", "clock"],
    &["domain"],
    &["storage", "models", "openapi"],
    &["fixtures"],
    &["app"],
    &["http"],
    &["config"],
    &["server"],
    &["testing", "cli"],
    &["main", "lib"],
];

/// A file of the sources and the paths that it names.
struct Source {
    /// `["http", "apis", "runner", "run"]`
    module: Vec<String>,
    /// Paths in full: `["storage", "StorageError"]`, or `["sqlx", "Row"]` for another crate.
    paths: BTreeSet<Vec<String>>,
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&root, &mut found);
    let sources = found.iter().map(|file| {
        let name = file.strip_prefix(&root).unwrap().with_extension("");
        let mut module: Vec<String> =
            name.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let tree = syn::parse_file(&std::fs::read_to_string(file).unwrap()).unwrap();
        let children = tree.items.iter().filter_map(|item| match item {
            syn::Item::Mod(child) => Some(child.ident.to_string()),
            _ => None,
        });
        let children = children.collect();
        let mut named = Named { module: module.clone(), children, paths: BTreeSet::new() };
        named.visit_file(&tree);
        Source { module, paths: named.paths }
    });
    sources.collect()
}

/// Collects the paths of a file.
struct Named {
    /// The module that is visited.
    module: Vec<String>,
    /// The modules that the file declares.
    children: BTreeSet<String>,
    paths: BTreeSet<Vec<String>>,
}

impl Named {
    /// Adds a path as it is written, `crate`, `super` and the file's own modules resolved.
    fn add(&mut self, written: &[String]) {
        let mut base = match written.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("super" | "self") => self.module.clone(),
            Some(first) if self.children.contains(first) => self.module.clone(),
            _ => {
                self.paths.insert(written.to_vec());
                return;
            }
        };
        for segment in written {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => {
                    base.pop();
                }
                name => base.push(name.to_owned()),
            }
        }
        self.paths.insert(base);
    }

    fn add_tree(&mut self, tree: &syn::UseTree, prefix: &[String]) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) => self.add(&with(&name.ident)),
            syn::UseTree::Rename(name) => self.add(&with(&name.ident)),
            syn::UseTree::Glob(_) => self.add(prefix),
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.add_tree(item, prefix);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Named {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&item.tree, &[]);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // A file of its own is visited by itself.
        if item.content.is_some() {
            self.module.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let written: Vec<_> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if written.len() > 1 {
            self.add(&written);
        }
        visit::visit_path(self, path);
    }
}

/// `module: path` for every path below `target` in modules for which `allowed` is false.
fn violations(target: &[&str], allowed: impl Fn(&[String]) -> bool) -> Vec<String> {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(sources);
    assert!(SOURCES.len() > 100, "{} files", SOURCES.len());
    let hits = SOURCES.iter().filter(|source| !allowed(&source.module)).flat_map(|source| {
        let below = source.paths.iter().filter(|path| starts_with(path, target));
        below.map(|path| format!("{}: {}", source.module.join("::"), path.join("::")))
    });
    hits.collect()
}

fn starts_with(path: &[String], prefix: &[&str]) -> bool {
    path.len() >= prefix.len() && path.iter().zip(prefix).all(|(part, wanted)| part == wanted)
}

fn is_in(module: &[String], layers: &[&str]) -> bool {
    module.first().is_some_and(|first| layers.contains(&first.as_str()))
}

#[track_caller]
fn none(violations: &[String]) {
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn sql_is_spelt_in_the_store_only() {
    none(&violations(&["sqlx"], |module| is_in(module, &["storage"])));
    assert_ne!(violations(&["sqlx"], |_| false), Vec::<String>::new());
}

#[test]
fn http_is_spelt_under_http_and_in_the_server_only() {
    for library in ["axum", "hyper", "hyper_util", "tower", "tower_http"] {
        none(&violations(&[library], |module| is_in(module, &["http", "server"])));
    }
}

#[test]
fn each_layer_uses_only_itself_and_those_below() {
    for (place, layer) in LAYERS.iter().enumerate() {
        let above = LAYERS.get(place..).unwrap().concat();
        for name in *layer {
            none(&violations(&[name], |module| is_in(module, &above)));
        }
    }
}

/// `config` and `server` connect `http` with what it does not name.
#[test]
fn http_names_what_is_below_app_only_through_app() {
    for below in ["storage", "models", "fixtures"] {
        none(&violations(&[below], |module| !is_in(module, &["http"])));
    }
}

#[test]
fn the_apis_never_name_each_other() {
    for api in ["runner", "characters", "control"] {
        let others = |module: &[String]| {
            let of_an_api = starts_with(module, &["http", "apis"]) && module.len() > 2;
            !of_an_api || starts_with(module, &["http", "apis", api])
        };
        none(&violations(&["http", "apis", api], others));
    }
}
