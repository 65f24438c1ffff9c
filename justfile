# CONTRIBUTING.md in executable form: `just` lists the recipes.

_default:
    @just --list --unsorted

# Starts the server, with its data in memory.
serve *OPTIONS:
    cargo run -- --database sqlite::memory: {{OPTIONS}}

# Runs every test.
test *FILTER:
    cargo test {{FILTER}}

# Puts the sources in form.
format:
    cargo fmt --all

# Checks the Python package against the server.
python *OPTIONS:
    cargo build
    clients/python/check {{OPTIONS}}

# Says what the linter says.
lint:
    cargo clippy --all-targets -- -D warnings

# Builds the documentation, and opens it.
document:
    cargo doc --no-deps --open

# Everything that must hold for every commit.
check:
    .ci/run

# Looks at licences, advisories and sources of all dependencies (cargo install cargo-deny).
deny:
    cargo deny check

# Checks the built-in fixtures.
fixtures:
    cargo run -- fixtures check fixtures

# Makes the collections of requests from the OpenAPI documents.
collections:
    cargo run -- openapi runner --format http > clients/http/runner.http
    cargo run -- openapi characters --format http > clients/http/characters.http

# The figures of the README.
figures:
    cargo build --release
    ls -l target/release/mynah
    cargo run --release --example figures
