//! What the image promises (Dockerfile, docs/ci.md), as far as it can be tried without an engine: its
//! settings, its health check, and that its build stage has every file.

use std::path::Path;

use crate::support::binary::{Binary, command, file_url, output};
use crate::support::process::{self, has_curl, program};
use reqwest::Method;
use serde_json::{Value, json};

const DOCKERFILE: &str = include_str!("../../../Dockerfile");
const DOCKERIGNORE: &str = include_str!("../../../.dockerignore");

/// The image's variables, but for a free port and a folder of this test's.
fn variables(data: &Path) -> Vec<(String, String)> {
    let block = DOCKERFILE.split("\nENV ").nth(1).expect("an ENV");
    let block = block.split("\nUSER").next().unwrap().replace("\\\n", " ");
    let mut variables: Vec<(String, String)> = Vec::new();
    for word in block.split_whitespace() {
        let (name, value) = word.split_once('=').expect("NAME=value");
        let value = match name {
            "MYNAH_PORT" => "0".to_owned(),
            _ => value.replace("sqlite:///data/mynah.db", &file_url(&data.join("mynah.db"))),
        };
        variables.push((name.to_owned(), value));
    }
    assert_eq!(variables.len(), 3, "{variables:?}");
    variables
}

/// A server with the image's settings and these.
async fn container(data: &Path, more: &[(&str, &str)]) -> Binary {
    let mut server = command(&[]);
    server.envs(variables(data)).envs(more.iter().copied());
    Binary::spawn(server).await
}

#[tokio::test]
async fn the_image_s_health_check_follows_the_server_s_settings() {
    let folder = tempfile::tempdir().unwrap();
    let check = DOCKERFILE.split("\nHEALTHCHECK").nth(1).expect("a HEALTHCHECK");
    let check = check.split("CMD ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    // In the exec form: there is no shell.
    let check: Vec<String> = serde_json::from_str(check).unwrap();
    let [program, arguments @ ..] = &check[..] else { panic!("a program: {check:?}") };
    assert_eq!(program, "/mynah");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    for host in ["0.0.0.0", "::", "127.0.0.1"] {
        let more = [("MYNAH_HOST", host), ("MYNAH_ADMIN_TOKEN", "secret")];
        let server = container(folder.path(), &more).await;
        let mut check = command(&arguments);
        check.envs(variables(folder.path())).envs(more);
        check.env("MYNAH_PORT", server.address.port().to_string());
        assert_eq!(process::output(&mut check).await.status.code(), Some(0), "{host}");
        server.stop().await;
        assert_eq!(process::output(&mut check).await.status.code(), Some(1), "{host}");
    }
}

/// What the control plane answers to someone who makes an account.
async fn ask(server: &Binary, token: Option<&str>) -> u16 {
    let url = server.url("/_mynah/accounts");
    let mut request = server.client.request(Method::POST, url).json(&json!({}));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_image_s_control_plane_is_closed_until_it_has_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let closed = container(folder.path(), &[]).await;
    assert_eq!(ask(&closed, None).await, 403);
    assert_eq!(ask(&closed, Some("secret")).await, 403);
    closed.run_echo("Both APIs are open all the same.").await;
    closed.stop().await;
    let open = container(folder.path(), &[("MYNAH_ADMIN_TOKEN", "secret")]).await;
    assert_eq!(ask(&open, None).await, 401);
    assert_eq!(ask(&open, Some("another")).await, 401);
    assert_eq!(ask(&open, Some("secret")).await, 201);
    open.stop().await;
}

#[tokio::test]
async fn a_token_that_is_empty_is_none() {
    // What an unset secret of a workflow comes as. It must not open what no token would.
    let folder = tempfile::tempdir().unwrap();
    let closed = container(folder.path(), &[("MYNAH_ADMIN_TOKEN", "")]).await;
    assert_eq!(ask(&closed, None).await, 403);
    assert_eq!(ask(&closed, Some("")).await, 403);
    closed.stop().await;
    let refused = output(&["--admin-token", ""]).await;
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("--admin-token"), "{said}");
}

/// The paths that the sources take into the binary from outside `src`, seen from the root.
fn taken_in(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            taken_in(&path, found);
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for rest in text.split("include_").skip(1) {
            let Some((_, rest)) = rest.split_once("!(\"") else { continue };
            let inside = rest.split('"').next().unwrap();
            if inside.starts_with("../") {
                found.push(inside.trim_start_matches("../").to_owned());
            }
        }
    }
}

#[test]
fn the_build_stage_has_every_file_that_the_binary_contains() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths =
        ["Cargo.lock", "migrations", "bench", "crates", "fuzz"].map(str::to_owned).to_vec();
    taken_in(&root.join("src"), &mut paths);
    assert!(paths.len() > 8, "they are where this test looks: {paths:?}");
    let context: Vec<&str> =
        DOCKERIGNORE.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for path in paths.iter().filter(|path| root.join(path).exists()) {
        assert!(
            context.iter().any(|part| Path::new(path).starts_with(part)),
            "{path} is not in the build context: .dockerignore"
        );
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Runs a block of docs/ci.md as printed, but for the port.
async fn run(block: &str, port: u16, token: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_mynah")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let script = format!("set -e\n{}", block.replace("4310", &port.to_string()));
    let mut shell = program("sh");
    shell.args(["-c", &script]).env("PATH", path).env("MYNAH_ADMIN_TOKEN", token);
    let output = process::output(shell.current_dir(folder.path())).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(said) } else { Err(format!("{said}{complaint}")) }
}

#[tokio::test]
async fn the_script_for_jobs_works_as_printed_with_a_token() {
    if !has_curl().await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = container(folder.path(), &[("MYNAH_ADMIN_TOKEN", "for-tests-only")]).await;
    let port = server.address.port();
    let block = crate::docs::samples::ci_blocks()[0];
    let said = run(block, port, "for-tests-only").await.unwrap();
    assert!(said.contains("passed\n"), "{said}");
    run(block, port, "another").await.expect_err("without the token it fails");
    let accounts = server.client.get(server.url("/_mynah/accounts"));
    let accounts = accounts.bearer_auth("for-tests-only").send().await.unwrap();
    let accounts = accounts.json::<Value>().await.unwrap();
    assert!(!accounts.to_string().contains("acct_"), "it takes its account away: {accounts}");
}

#[tokio::test]
async fn the_way_without_a_container_works_as_printed() {
    if !has_curl().await {
        return;
    }
    let port = free_port();
    let block = format!("unset MYNAH_ADMIN_TOKEN\n{}", crate::docs::samples::ci_blocks()[1]);
    let said = run(&block, port, "").await.unwrap();
    assert!(said.contains("\"key\""), "{said}");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "it leaves no server");
}
