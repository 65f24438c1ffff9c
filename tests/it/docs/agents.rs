//! docs/agents.md: its rules are sound, its curl lines work as printed, and the client is the file. The test
//! helper's `agent-docs.test.ts` runs the program of the page.

use crate::support::binary::{Binary, output};
use crate::support::process::{self, has_curl, program};

const PAGE: &str = include_str!("../../../docs/agents.md");
const CLIENT: &str = include_str!("../../../clients/javascript/examples/agent-chat.ts");

/// The first code block in `language` after the line `before`.
fn block(before: &str, language: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(before).expect("the line is there");
    let (_, rest) = rest.split_once(&format!("```{language}\n")).expect("a block follows");
    rest.split("```").next().expect("a split has a first part")
}

#[tokio::test]
async fn the_rules_are_sound_and_the_curl_lines_work_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("my-fixtures");
    let path = folder.to_str().unwrap();
    assert!(output(&["fixtures", "export", path]).await.status.success());
    std::fs::write(folder.join("a-orders.toml"), block("## The rules\n", "toml")).unwrap();
    let check = output(&["fixtures", "check", path]).await;
    assert_eq!(String::from_utf8(check.stdout).unwrap(), "no errors, no warnings\n");
    if !has_curl().await {
        return;
    }
    let server = Binary::start(&["--fixtures", path]).await;
    let script = block("## By hand\n", "sh").replace("http://127.0.0.1:4310", &server.url(""));
    let script = format!("set -e\n{}", script.replace("curl ", "curl -sS --fail-with-body "));
    let output = process::output(program("sh").args(["-c", &script])).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("client_action_required") && said.contains("Goodbye."), "{said}");
}

#[test]
fn the_client_is_the_file_of_the_examples() {
    assert_eq!(block("<!-- clients/javascript/examples/agent-chat.ts -->\n", "ts"), CLIENT);
}
