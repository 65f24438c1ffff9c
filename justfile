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
    cargo clippy -p mynah-bench -p mynah-fuzz --all-targets -- -D warnings

# Builds the documentation, and opens it.
document:
    cargo doc --no-deps --open

# Everything that must hold for every commit.
check:
    .ci/run

# Asks the server what its OpenAPI documents allow and what they do not, the same every time.
fuzz:
    .ci/fuzz

# The same with other requests every time, and for longer.
fuzz-long:
    .ci/fuzz --long

# Runs the fuzz targets: `just fuzz-targets template --seconds 600`.
fuzz-targets *OPTIONS:
    cargo run -p mynah-fuzz -- {{OPTIONS}}

# The same, led by coverage; needs cargo-fuzz and a C++ compiler. Stop it with Ctrl-C.
fuzz-coverage TARGET *OPTIONS:
    cargo fuzz run --fuzz-dir fuzz/libfuzzer --sanitizer none {{TARGET}} fuzz/corpus/{{TARGET}} -- -rss_limit_mb=2048 -timeout=60 {{OPTIONS}}

# Asks the server everything for a minute, and fails if memory or descriptors do not return.
soak *OPTIONS:
    cargo run --release -p mynah-bench -- --soak {{OPTIONS}}

# Looks at licences and sources of all dependencies.
licences:
    scripts/check-licences

# Looks at the advisories, too; asks the internet.
deny:
    "$(scripts/tools)/cargo-deny" check

# Writes THIRD-PARTY.md.
third-party:
    scripts/third-party

# Builds the image's binary, checks what is written about the image, and tries it where an engine runs.
container:
    scripts/check-container
    scripts/build-static
    scripts/try-image

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
    cargo run --release -p mynah-bench -- --only start

# Measures the server beside a bare one and beside its store alone; `just bench --quick` tries it.
bench *OPTIONS:
    cargo run --release -p mynah-bench -- {{OPTIONS}}

# Measures what every request passes through, piece by piece.
bench-pieces *FILTER:
    cargo bench --bench hot {{FILTER}}

# The JavaScript test helper: built, tested, its examples run.
javascript:
    cargo build
    clients/javascript/check
