//! The command: options, output, files and exit codes.

use std::process::Output;

use serde_json::Value;

use super::proxy::{ChangeResponse, Proxy};
use crate::support::TestApp;
use crate::support::binary::{Binary, command, output};
use crate::support::process;

const DOCUMENT: &str = include_str!("../../../docs/verify.md");

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Exit code 2 with one sentence, and nothing on standard output.
#[track_caller]
fn could_not_run(output: &Output) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

#[tokio::test]
async fn a_new_server_needs_no_option_except_the_target() {
    let server = Binary::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (junit, json) = (path("report.xml"), path("report.json"));
    let url = server.url("");
    let output =
        output(&["verify", "--target", &url, "--choices", "--junit", &junit, "--json", &json])
            .await;
    let text = stdout(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("holds    runner.conversation.memory"), "{text}");
    assert!(text.contains(r#"D  characters.txt, "Images""#), "{text}");
    assert!(text.contains(" hold, 0 fail, 0 not run; "), "{text}");

    let report: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let facts = report["facts"].as_array().unwrap();
    assert_eq!(report["summary"]["held"], facts.len());
    assert_eq!(report["summary"]["failed"], 0);
    assert!(facts.iter().all(|fact| fact["verdict"] == "holds"));
    assert!(report["sections"].as_array().unwrap().len() > 10);

    let xml = std::fs::read_to_string(junit).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
    assert_eq!(cases.count(), facts.len());
    let suites = document.root_element().children().filter(|node| node.has_tag_name("testsuite"));
    let tests: usize =
        suites.map(|suite| suite.attribute("tests").unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!(tests, facts.len());
}

#[tokio::test]
async fn a_failed_check_is_reported_with_request_and_source_and_without_keys() {
    let app = TestApp::start().await;
    // Repeats the key of the request.
    let change_response: ChangeResponse = |request, response| {
        if let Some(key) = request.headers.get("x-api-key") {
            let key = key.to_str().unwrap();
            response.set_body(format!("<b>{key}</b> & more of {key}"));
        }
    };
    let proxy = Proxy::start(app.address, |_| {}, change_response).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (junit, json) = (path("report.xml"), path("report.json"));
    let url = format!("http://{}", proxy.address);
    let arguments =
        ["verify", "--runner-url", &url, "--choices", "--junit", &junit, "--json", &json];
    let output = output(&arguments).await;
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let failure =
        "FAILS    runner.run.answer  a run answers with content, model and both token counts
           request   POST /v1/runner/YOUR_DEPLOYMENT_ID
           expected  a JSON body
           seen      <b>…</b> & more of …
           source    D runner-overview.txt, \"Standard API\"\n";
    assert!(text.contains(failure), "{text}");
    assert!(!text.contains("characters."), "only the API that was given: {text}");
    let xml = std::fs::read_to_string(junit).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let failures = document.descendants().filter(|node| node.has_tag_name("failure"));
    let failures: Vec<_> = failures.collect();
    assert!(failures.iter().any(|failure| failure.text().unwrap().contains("<b>…</b> & more")));
    let skipped = document.descendants().filter(|node| node.has_tag_name("skipped"));
    assert!(skipped.count() > 5, "checks that depend on failed ones");
    let json = std::fs::read_to_string(json).unwrap();
    for key in ["YOUR_API_KEY", "other_api_key"] {
        assert!(![&text, &xml, &json].iter().any(|text| text.contains(key)), "{key} is shown");
    }
}

#[tokio::test]
async fn a_run_without_any_check_has_exit_code_2() {
    // A port on which nothing listens.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let unreachable = could_not_run(&output(&["verify", "--target", &closed]).await);
    assert!(unreachable.starts_with(&format!("mynah: cannot reach {closed}/: ")), "{unreachable}");
    assert!(could_not_run(&output(&["verify"]).await).contains("--target"));
    let none = output(&["verify", "--target", &closed, "--only", "poems"]).await;
    assert_eq!(could_not_run(&none), "mynah: no check matches the selection\n");
    for wrong in [&["--target", "nowhere"][..], &["--target", "ftp://a.b"], &["--pause", "long"]] {
        let output = output(&[&["verify"], wrong].concat()).await;
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    let server = Binary::start(&[]).await;
    let url = server.url("");
    let arguments = ["verify", "--target", &url, "--no-defaults", "--only", "runner.run"];
    let nothing = output(&arguments).await;
    assert_eq!(nothing.status.code(), Some(2), "nothing was run");
    assert!(stdout(&nothing).contains("reason    there is no key (--key, --characters-key)"));
    let nowhere = ["verify", "--target", &url, "--only", "runner.run", "--json", "/no/such/f"];
    let nowhere = could_not_run(&output(&nowhere).await);
    assert!(nowhere.contains("cannot write /no/such/f"), "{nowhere}");
}

#[tokio::test]
async fn options_are_environment_variables_too() {
    let server = Binary::start(&[]).await;
    let mut command = command(&["verify"]);
    command.env("MYNAH_VERIFY_TARGET", server.url("")).env("MYNAH_VERIFY_API", "characters");
    command.env("MYNAH_VERIFY_ONLY", "characters.models,characters.agents.of_age");
    let output = process::output(&mut command).await;
    assert!(output.status.success());
    let text = stdout(&output);
    let passed = text.lines().filter(|line| line.starts_with("holds "));
    assert_eq!(passed.count(), 4, "{text}");
}

#[tokio::test]
async fn the_list_has_every_check_and_sends_no_request() {
    let listed = stdout(&output(&["verify", "--list", "--choices"]).await);
    assert_eq!(listed.lines().count(), mynah_verify::checks().count());
    let documented = stdout(&output(&["verify", "--list", "--api", "runner"]).await);
    let line = "runner.run.answer  a run answers with content, model and both token counts  \
                [D runner-overview.txt, \"Standard API\"]";
    assert_eq!(documented.lines().next(), Some(line));
    assert!(!documented.contains("[C ") && !documented.contains("characters."));
}

#[tokio::test]
async fn the_document_has_every_option_and_no_other() {
    let help = stdout(&output(&["verify", "--help"]).await);
    let options = |text: &str, before: &str, after: &[char]| -> Vec<String> {
        let rows = text.lines().filter_map(|line| line.trim().strip_prefix(before));
        rows.map(|rest| rest.split(after).next().unwrap().to_owned()).collect()
    };
    let mut printed = options(DOCUMENT, "| `--", &['`', ' ']);
    let mut offered = options(&help, "--", &[' ', '\n']);
    printed.sort();
    offered.sort();
    assert_eq!(printed, offered);
}
