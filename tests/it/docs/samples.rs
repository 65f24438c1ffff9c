//! The samples of the README, docs/control.md and docs/examples.md work as printed, and the table of options
//! in docs/options.md is complete.

use serde_json::{Value, json};

use crate::support::DEPLOYMENT;
use crate::support::binary::{Binary, output};
use crate::support::process::{self, has_curl, program};

const README: &str = include_str!("../../../README.md");
const OPTIONS: &str = include_str!("../../../docs/options.md");
const CONTROL: &str = include_str!("../../../docs/control.md");
const EXAMPLES: &str = include_str!("../../../docs/examples.md");
const CI: &str = include_str!("../../../docs/ci.md");

/// The shell blocks of docs/ci.md: with a server that is there, and with one of their own. They run in
/// `container`, as in a job.
pub fn ci_blocks() -> [&'static str; 2] {
    blocks_of(CI, "sh").try_into().expect("two blocks")
}

/// The code blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    blocks_of(README, language)
}

fn blocks_of(document: &'static str, language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    document.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[tokio::test]
async fn every_curl_line_works_as_printed() {
    if !has_curl().await {
        return; // The banner's lines are tried without curl, too.
    }
    let (readme, control) = (blocks("sh"), blocks_of(CONTROL, "sh"));
    assert!(readme.len() >= 7 && control.len() >= 2, "the samples are where this test looks");
    let examples = blocks_of(EXAMPLES, "sh");
    assert_eq!(examples.len(), 3, "a worked example for each user");
    for block in readme.into_iter().chain(control).chain(examples) {
        let server = Binary::start(&[]).await;
        let here = block.replace("http://127.0.0.1:4310", &server.url(""));
        let script = here.replace("curl ", "curl -sS --fail-with-body ");
        let script = format!("set -e\n{script}");
        let output = process::output(program("sh").args(["-c", &script])).await;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{block}{said}");
        assert!(!said.is_empty(), "{block}");
    }
}

#[tokio::test]
async fn the_error_is_as_printed() {
    let server = Binary::start(&[]).await;
    let path = format!("/v1/runner/{DEPLOYMENT}");
    let answer = server.post(&path, &json!({"content": []})).send().await.unwrap();
    let printed: Value = serde_json::from_str(blocks("json")[0]).unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap(), printed);
}

#[tokio::test]
async fn the_rule_is_sound_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("my-fixtures");
    let path = folder.to_str().unwrap();
    assert!(output(&["fixtures", "export", path]).await.status.success());
    std::fs::write(folder.join("a-refunds.toml"), blocks("toml")[0]).unwrap();
    let check = output(&["fixtures", "check", path]).await;
    assert_eq!(String::from_utf8(check.stdout).unwrap(), "no errors, no warnings\n");
    let server = Binary::start(&["--fixtures", path]).await;
    let body = json!({
        "content": [{"type": "text", "text": "Where is my refund?"}],
        "variables": {"CUSTOMER_TIER": "gold", "customer_name": "Ada"},
    });
    for said in ["Of course, Ada: your refund is on its way.", "It is still on its way."] {
        let answer = server.post(&format!("/v1/runner/{DEPLOYMENT}"), &body).send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap()["content"], said);
    }
}

#[tokio::test]
async fn the_table_has_every_option_and_no_other() {
    let help = String::from_utf8(output(&["--help"]).await.stdout).unwrap();
    let options = |text: &str, before: &str, after: char| -> Vec<String> {
        let rows = text.lines().filter_map(|line| line.trim().strip_prefix(before));
        rows.map(|rest| rest.split(after).next().unwrap().to_owned()).collect()
    };
    let mut printed = options(OPTIONS, "| `--", '`');
    let mut offered = options(&help, "--", ' ');
    printed.sort();
    offered.sort();
    assert_eq!(printed, offered);
}
