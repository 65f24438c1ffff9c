# CONTRIBUTING.md in executable form: `just` lists the recipes.

_default:
    @just --list --unsorted

# Starts the server, with its data in memory.
serve *OPTIONS:
    cargo run -- --database sqlite::memory: {{OPTIONS}}

# Runs every test.
test *FILTER:
    cargo test {{FILTER}}

# Formats the sources.
format:
    cargo fmt --all

# Checks the Python package against the server.
python *OPTIONS:
    cargo build
    clients/python/check {{OPTIONS}}

# Runs clippy.
lint:
    cargo clippy --all-targets -- -D warnings
    cargo clippy -p mynah-bench -p mynah-fuzz --all-targets -- -D warnings

# Builds the documentation and opens it.
document:
    cargo doc --no-deps --open

# Runs everything that a commit must pass.
check:
    .ci/run

# Tests the server with valid and invalid requests generated from its OpenAPI documents, always the same.
fuzz:
    .ci/fuzz

# The same with new requests every time, and for longer.
fuzz-long:
    .ci/fuzz --long

# Runs the fuzz targets: `just fuzz-targets template --seconds 600`.
fuzz-targets *OPTIONS:
    cargo run -p mynah-fuzz -- {{OPTIONS}}

# The same, guided by coverage; needs cargo-fuzz and a C++ compiler. Stop it with Ctrl-C.
fuzz-coverage TARGET *OPTIONS:
    cargo fuzz run --fuzz-dir fuzz/libfuzzer --sanitizer none {{TARGET}} fuzz/corpus/{{TARGET}} -- -rss_limit_mb=2048 -timeout=60 {{OPTIONS}}

# Sends every kind of request for a minute; fails if memory or descriptors leak.
soak *OPTIONS:
    cargo run --release -p mynah-bench -- --soak {{OPTIONS}}

# Checks licences and sources of all dependencies.
licences:
    scripts/check-licences

# Checks advisories, too; needs the internet.
deny:
    "$(scripts/tools)/cargo-deny" check

# Writes THIRD-PARTY.md.
third-party:
    scripts/third-party

# Checks the container files, builds the image's binary, and tests the image if an engine runs.
container:
    scripts/check-container
    scripts/build-static
    scripts/try-image

# Checks the built-in fixtures.
fixtures:
    cargo run -- fixtures check fixtures

# Generates clients/http from the OpenAPI documents.
collections:
    cargo run -- openapi runner --format http > clients/http/runner.http
    cargo run -- openapi characters --format http > clients/http/characters.http

# Measures the figures of the README.
figures:
    cargo build --release
    cargo run --release -p mynah-bench -- --only start

# Compares the server with a bare one and with its store alone; `just bench --quick` for a smoke test.
bench *OPTIONS:
    cargo run --release -p mynah-bench -- {{OPTIONS}}

# Measures the parts of a request.
bench-pieces *FILTER:
    cargo bench --bench hot {{FILTER}}

# Builds and tests the JavaScript helper and runs its examples.
javascript:
    cargo build
    clients/javascript/check
