//! Fixture file → diagnostics. An input is the content of the only file.

use mynah::fixtures::{FixturesError, read_bytes};

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

const NAME: &str = "fuzz.toml";

fn run(input: &[u8]) {
    let lines = String::from_utf8_lossy(input).matches('\n').count() + 1;
    let (faults, warnings) = match read_bytes(NAME, input, mynah::http::route_table()) {
        Ok(checked) => (Vec::new(), checked.warnings),
        Err(FixturesError::Faulty { faults, warnings }) => {
            assert!(!faults.is_empty(), "an invalid file without a diagnostic");
            (faults, warnings)
        }
        Err(error) => panic!("not a diagnostic: {error}"),
    };
    for fault in faults.iter().chain(&warnings) {
        assert!(!fault.message.is_empty(), "no message at line {}", fault.line);
        // A diagnostic about all files together has no position.
        assert!([NAME, "fixtures"].contains(&&*fault.file), "{fault}");
        assert!((1..=lines).contains(&fault.line) && fault.column >= 1, "{fault} of {lines} lines");
    }
}
