//! Fixture file → diagnostics. An input is the content of the only file.

use mynah::fixtures::{FixturesError, read_bytes};
use toml::de::DeTable;

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
        "[[sd_model]]\n",
        "[[plan]]\n",
        "[[conversation]]\n",
        "[[characters_conversation]]\n",
        "[[dialogue]]\n",
        "[[agent]]\n",
        "[[image]]\n",
        "when",
        "reply",
        "tool_calls = [{ name = \"a\", arguments = { a = \"",
        "tool_result = { name = \"a\" }",
        "run = \"background\"",
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

const NAME: &str = "fuzz.toml";

fn run(input: &[u8]) {
    let lines = String::from_utf8_lossy(input).matches('\n').count() + 1;
    let (errors, warnings) = match read_bytes(NAME, input, mynah::http::route_table()) {
        Ok(checked) => (Vec::new(), checked.warnings),
        Err(FixturesError::Invalid { errors, warnings }) => {
            assert!(!errors.is_empty(), "an invalid file without an error");
            (errors, warnings)
        }
        Err(error) => panic!("not a diagnostic: {error}"),
    };
    let is_toml = std::str::from_utf8(input).is_ok_and(|text| DeTable::parse(text).is_ok());
    assert!(is_toml || !errors.is_empty(), "not TOML, and no error is reported");
    for diagnostic in errors.iter().chain(&warnings) {
        assert!(!diagnostic.message.is_empty(), "no message at line {}", diagnostic.line);
        // A diagnostic about all files together has no position.
        assert!([NAME, "fixtures"].contains(&&*diagnostic.file), "{diagnostic}");
        let is_in_file = (1..=lines).contains(&diagnostic.line) && diagnostic.column >= 1;
        assert!(is_in_file, "{diagnostic} of {lines} lines");
    }
}
