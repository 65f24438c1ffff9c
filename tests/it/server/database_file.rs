//! One server a database file, and a file that is lost under a running server.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use mynah::config::Config;
use mynah::server::Server;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::binary::{Binary, command, file_url, output, start_error};
use crate::support::process::program;
use crate::support::{ECHO, TestApp, text_body};

async fn refused(file: &Path) -> String {
    start_error(&output(&["--port", "0", "--database", &file_url(file)]).await)
}

#[tokio::test]
async fn a_second_server_on_a_database_is_refused_with_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.db");
    let server = Binary::on_file(&file, &[]).await;
    let sentence = format!("the database {} is in use by another Mynah", file.display());
    assert_eq!(refused(&file).await, sentence);
    let exec = ["exec", "--database", &file_url(&file), "--", "true"];
    let exec = output(&exec).await;
    assert!(!exec.status.success());
    assert!(String::from_utf8(exec.stderr).unwrap().contains(&sentence));
    // The first one is none the worse for it.
    let first = server.echo_conversation(None, "Hi").await;
    let lines = server.stop().await;
    assert!(!lines.iter().any(|line| line.contains("ERROR")), "{lines:?}");
    let again = Binary::on_file(&file, &[]).await;
    let id = first["conversation_id"].as_str().unwrap();
    assert_eq!(again.messages(id).await.len(), 2);
    again.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_name_of_the_same_database_is_the_same_database() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.db");
    let server = Binary::on_file(&file, &[]).await;
    let (link, hard) = (folder.path().join("link.db"), folder.path().join("hard.db"));
    symlink(&file, &link).unwrap();
    std::fs::hard_link(&file, &hard).unwrap();
    for name in [link, hard, folder.path().join(".").join("x.db")] {
        assert!(refused(&name).await.contains("in use"), "{}", name.display());
    }
    server.stop().await;
}

#[tokio::test]
async fn the_lock_ends_with_the_process_however_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.db");
    let server = Binary::on_file(&file, &[]).await;
    server.signal(rustix::process::Signal::KILL);
    server.wait_for_exit().await;
    Binary::on_file(&file, &[]).await.stop().await;
}

#[tokio::test]
async fn in_one_process_too_a_database_has_one_server_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let url = file_url(&folder.path().join("x.db"));
    let config = Config { database: url.clone(), ..Config::default() };
    let app = TestApp::with(|config| config.database.clone_from(&url)).await;
    for _ in 0..2 {
        let second = Server::build(&config).await.err().expect("it is in use");
        assert!(second.to_string().ends_with("x.db is in use by another Mynah"), "{second}");
    }
    app.stop().await;
    TestApp::with(|config| config.database.clone_from(&url)).await.stop().await;
}

/// The errors of the health check, of `mynah healthcheck` and of a request that writes.
async fn database_errors(server: &Binary) -> [String; 3] {
    let health = server.client.get(server.url("/_mynah/health")).send().await.unwrap();
    assert_eq!(health.status(), 503);
    let health: Value = health.json().await.unwrap();
    assert_eq!(health["status"], "failing");
    let port = server.address.port().to_string();
    let healthcheck = start_error(&output(&["healthcheck", "--port", &port]).await);
    let path = format!("/v1/runner/{ECHO}/conversation");
    let write = server.post(&path, &text_body("Hi")).send().await.unwrap();
    assert_eq!(write.status(), 500);
    let write: Value = write.json().await.unwrap();
    assert_eq!(write["error"]["type"], "api_error");
    [health["reason"].as_str().unwrap().to_owned(), healthcheck, write.to_string()]
}

#[tokio::test]
async fn a_database_that_is_deleted_or_replaced_fails_writes_and_health() {
    for (name, lost) in [
        ("x.db", "was deleted or moved"),
        ("x.db-wal", "was deleted or moved"),
        ("x.db-shm", "was deleted or moved"),
        ("x.db", "was replaced"),
        ("x.db-wal", "was replaced"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.db");
        let server = Binary::on_file(&file, &[]).await;
        server.echo_conversation(None, "Hi").await;
        let (there, away) = (folder.path().join(name), folder.path().join("away"));
        std::fs::rename(&there, &away).unwrap();
        if lost == "was replaced" {
            std::fs::copy(&away, &there).unwrap();
        }
        let [reason, healthcheck, write] = database_errors(&server).await;
        assert!(reason.contains(&format!("{name} {lost}")), "{reason}");
        assert!(healthcheck.ends_with(&reason), "{healthcheck}");
        assert!(!write.contains("x.db"), "clients of the API are not told paths: {write}");
        // What stores nothing goes on, and what is put back is as good as ever.
        server.run_echo("Hi").await;
        std::fs::rename(&away, &there).unwrap();
        server.get("/_mynah/health").await;
        let id = server.echo_conversation(None, "Hi").await["conversation_id"].clone();
        let lines = server.stop().await;
        let told = lines.iter().filter(|line| line.contains("ERROR the database file"));
        assert_eq!(told.count(), 1, "once a minute: {lines:?}");
        let again = Binary::on_file(&file, &[]).await;
        assert_eq!(again.messages(id.as_str().unwrap()).await.len(), 2);
        again.stop().await;
    }
}

#[tokio::test]
async fn a_database_in_memory_has_no_file_to_lose() {
    let app = TestApp::start().await;
    let health = app.request(Method::GET, "/_mynah/health").await.good();
    assert_eq!(health, json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}));
}

/// The file system is full as far as the server can see: it may write no file beyond 1 MiB.
#[tokio::test]
async fn a_database_that_cannot_grow_is_an_error_and_no_crash() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.db");
    Binary::on_file(&file, &[]).await.stop().await;
    let usual = command(&["--port", "0", "--database", &file_url(&file)]);
    let mut limited = program("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "sh"]);
    limited.arg(usual.as_std().get_program()).args(usual.as_std().get_args());
    limited.stdin(Stdio::null());
    let server = Binary::spawn(limited).await;
    let text = "word ".repeat(20_000);
    let path = format!("/v1/runner/{ECHO}/conversation");
    let mut refused = false;
    for _ in 0..30 {
        let status = server.post(&path, &text_body(&text)).send().await.unwrap().status().as_u16();
        refused |= status == 500;
        assert!([200, 500].contains(&status), "{status}");
    }
    assert!(refused, "the file has grown beyond its limit");
    server.run_echo("Hi").await;
    server.stop().await;
}
