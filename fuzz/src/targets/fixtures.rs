//! Fixture file → diagnostics. An input is a file that takes the place of the built-in ones.

use mynah::service::fixtures::{FixturesError, read_with};

use crate::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "fixtures",
    run,
    dictionary: &[
        "[[rule]]\n",
        "[[account]]\n",
        "[[deployment]]\n",
        "[[llm]]\n",
        "[[sd]]\n",
        "[[plan]]\n",
        "[[conversation]]\n",
        "[[agent]]\n",
        "[[image]]\n",
        "when",
        "reply",
        "id",
        " = ",
        "\n",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "\"\"\"",
        "'",
        "'''",
        ".",
        ",",
        "#",
        "\\u0000",
        "\\",
        "true",
        "1979-05-27T07:32:00Z",
        "{ a = ",
        "[1,",
        "a.",
        "regex = \"",
        "(",
        "{{ ",
    ],
};

/// The files whose place is taken.
const BUILT_IN: [&str; 6] = [
    "accounts.toml",
    "conversations.toml",
    "deployments.toml",
    "models.toml",
    "studio.toml",
    "replies.toml",
];
const NAME: &str = "fuzz.toml";

fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input).into_owned();
    let lines = text.matches('\n').count() + 1;
    let mut files: Vec<_> = BUILT_IN.map(|name| (name.to_owned(), String::new())).into();
    files.push((NAME.to_owned(), text));
    let (faults, warnings) = match read_with(None, files, mynah::http::route_table()) {
        Ok(checked) => (Vec::new(), checked.warnings),
        Err(FixturesError::Faulty { faults, warnings }) => {
            assert!(!faults.is_empty(), "a faulty file without a fault");
            (faults, warnings)
        }
        Err(error) => panic!("not a diagnostic: {error}"),
    };
    for fault in faults.iter().chain(&warnings) {
        assert!(!fault.message.is_empty(), "no message at line {}", fault.line);
        // What the files lack together is in none of them.
        assert!([NAME, "fixtures"].contains(&&*fault.file), "{fault}");
        assert!((1..=lines).contains(&fault.line) && fault.column >= 1, "{fault} of {lines} lines");
    }
}
