//! Syntax errors.

use super::{Document, Rule, assert_errors, read};

const WHOLE: &str = "reply = {text='a',input_tokens=1}\n";

#[test]
fn two_syntax_errors_are_reported_as_two_and_the_rest_is_read() {
    let text = format!(
        "[[rule]]\nname = \"a\n{WHOLE}[[rule]]\nname = = 3\n{WHOLE}[[rule]]\nname = 1\n{WHOLE}\
         [[rule]]\nname = 'good'\n{WHOLE}"
    );
    let items = assert_errors::<Rule>(
        &text,
        &[
            "2:10: invalid basic string, expected `\"`",
            "5:8: extra `=`",
            "8:8: rule[2].name: invalid type: number `1`, expected a string",
        ],
    );
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].value.name, "good");
}

#[test]
fn what_is_never_closed_is_one_error() {
    let next = format!("[[rule]]\nname = 'good'\n{WHOLE}");
    let list = format!("[[rule]]\ntags = ['a', 'b'\n{WHOLE}name = 'x'\n{next}");
    let items = assert_errors::<Rule>(
        &list,
        &["2:1: what begins here goes wrong in line 3: missing comma between array elements, \
         expected `,`"],
    );
    assert_eq!(items.len(), 1);
    let header = format!("{next}[[rule]\nname = 'x'\n{WHOLE}{next}");
    let items = assert_errors::<Rule>(&header, &["4:8: unclosed array table, expected `]`"]);
    assert_eq!(items.len(), 2);
    let parts = "[rule.when]\nrole = 'user'\n";
    let first = format!("[[rule]\nname = 'x'\n{parts}{next}{parts}{next}");
    let items = assert_errors::<Rule>(&first, &["1:8: unclosed array table, expected `]`"]);
    assert_eq!(items.len(), 2);
    let inner = format!("{next}[rule.when\nrole = 'x'\n{next}");
    let items = assert_errors::<Rule>(&inner, &["4:11: unclosed table, expected `]`"]);
    assert_eq!(items.len(), 1);
    let line = format!("foo bar\n{next}");
    let items = assert_errors::<Rule>(&line, &["1:5: key with no value, expected `=`"]);
    assert_eq!(items.len(), 1);
    let string = format!("{next}[[rule]]\nname = \"\"\"abc\n{next}[[rule]]\nname = 1\n{WHOLE}");
    let items = assert_errors::<Rule>(
        &string,
        &[
            "5:1: what begins here goes wrong in line 12: invalid multi-line basic string, \
             expected `\"`",
            "10:8: rule[3].name: invalid type: number `1`, expected a string",
        ],
    );
    assert_eq!(items.len(), 2);
    let table = format!("[[rule]]\nname = 'x'\nreply = {{ text = 'a', input_tokens =\n{next}");
    let (items, errors) = read::<Rule>(&table);
    assert_eq!((items.len(), errors.len()), (1, 1), "{errors:?}");
}

#[test]
fn repeated_keys_are_an_error() {
    assert_errors::<Rule>(
        &format!(
            "[[rule]]
name='a'
name='b'
{WHOLE}"
        ),
        &["3:1: duplicate key"],
    );
    let item = format!(
        "[[rule]]
name='a'
{WHOLE}"
    );
    assert_errors::<Rule>(
        &format!(
            "[rule.when]
{item}{item}"
        ),
        &["2:3: duplicate key"],
    );
    let parts = "[rule.when]
regex='a'
";
    assert_errors::<Rule>(
        &format!(
            "{item}{parts}[[rulee]]
{parts}"
        ),
        &["7:7: duplicate key", "6:3: unknown section `rulee`, expected `[[rule]]`"],
    );
}

#[test]
fn a_line_that_is_not_utf_8_has_no_further_errors() {
    let content = b"[[rule]]\nname = caf\xe9\ntags = 1\nreply = {text='a',input_tokens=1}\n[[rule]]\nname = 1\n";
    let mut diagnostics = Vec::new();
    let mut document = Document::parse("rules.toml", content, &mut diagnostics);
    document.read::<Rule>("rule", &mut diagnostics);
    let lines: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.line).collect();
    assert_eq!(lines, [2, 5, 6], "{diagnostics:?}");
}

#[test]
fn an_error_in_a_long_line_is_reported() {
    let header = format!("[{}b]\nx = 1\n", "a.".repeat(100_000));
    let (_, errors) = read::<Rule>(&header);
    assert_eq!(errors, ["1:1: recursion limit"]);
    let list = format!("x = [{}\ny = 1\n", "1, ".repeat(100_000));
    let (_, errors) = read::<Rule>(&list);
    assert_eq!(errors.len(), 1, "{errors:?}");
}
