//! What commands write: into what a file's name stands for, and quietly where nobody reads on.

use std::fs;
use std::io::pipe;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tokio::io::AsyncReadExt as _;

use crate::support::binary::{Binary, command, output, start_error};
use crate::support::process::{self, program};
use crate::support::timeout::within;

#[tokio::test]
async fn a_snapshot_is_saved_to_a_file_and_loaded_back() {
    let binary = Binary::start(&["--admin-token", "secret"]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demo.json");
    let (file, port) = (file.to_str().unwrap(), binary.address.port().to_string());
    let snapshot = async |act: &str, token: &str| {
        let arguments = ["snapshot", act, "demo", file, "--port", &port, "--admin-token", token];
        output(&arguments).await
    };
    let refused = start_error(&snapshot("save", "wrong").await);
    assert_eq!(refused, "the API key is not known");
    let total = async || binary.get("/v1/runner/conversations").await["total"].clone();
    assert_eq!(snapshot("save", "secret").await.status.code(), Some(0));
    assert_eq!(total().await, 1);
    binary.echo_conversation(None, "Hi").await;
    assert_eq!(total().await, 2);
    assert_eq!(snapshot("load", "secret").await.status.code(), Some(0));
    assert_eq!(total().await, 1);
}

/// `mynah snapshot` for the demo account of this server.
async fn snapshot(server: &Binary, act: &str, file: &str) -> Output {
    let port = server.address.port().to_string();
    output(&["snapshot", act, "demo", file, "--port", &port]).await
}

#[track_caller]
fn is_whole(snapshot: &[u8]) {
    let snapshot: Value = serde_json::from_slice(snapshot).unwrap();
    assert!(snapshot.to_string().contains("Billing support"));
}

async fn saved(server: &Binary, file: &Path) {
    let output = snapshot(server, "save", file.to_str().unwrap()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_snapshot_goes_through_a_link_and_keeps_mode_and_other_names_of_a_file() {
    let server = Binary::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("real"), "old").unwrap();
    symlink("real", at("link")).unwrap();
    symlink("absent", at("dangling")).unwrap();
    fs::write(at("private"), "old").unwrap();
    fs::set_permissions(at("private"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(at("one"), "old").unwrap();
    fs::hard_link(at("one"), at("other")).unwrap();
    for name in ["link", "dangling", "private", "one", "new"] {
        saved(&server, &at(name)).await;
    }
    for name in ["link", "dangling"] {
        assert!(at(name).symlink_metadata().unwrap().is_symlink(), "{name}");
    }
    for name in ["real", "absent", "private", "other", "new"] {
        is_whole(&fs::read(at(name)).unwrap());
    }
    assert_eq!(fs::metadata(at("private")).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(at("other")).unwrap().nlink(), 2);
    // A new file has the mode that the process's mask leaves, like one that a shell makes.
    fs::write(at("usual"), "").unwrap();
    let mode = |name: &str| fs::metadata(at(name)).unwrap().mode();
    assert_eq!(mode("new"), mode("usual"));
    let all = ["absent", "dangling", "link", "new", "one", "other", "private", "real", "usual"];
    assert_eq!(names(folder.path()), all, "nothing else is left");
}

#[tokio::test]
async fn a_snapshot_goes_into_a_pipe_and_comes_out_of_one() {
    let server = Binary::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("pipe");
    let made = process::output(program("mkfifo").arg(&fifo)).await;
    assert!(made.status.success());
    let mut reader = program("cat");
    let (read, ()) = tokio::join!(process::output(reader.arg(&fifo)), saved(&server, &fifo));
    is_whole(&read.stdout);
    assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
    server.echo_conversation(None, "Hi").await;
    let path = folder.path().join("file");
    fs::write(&path, &read.stdout).unwrap();
    let mut writer = program("sh");
    writer.args(["-c", "cat \"$0\" > \"$1\"", path.to_str().unwrap(), fifo.to_str().unwrap()]);
    let (written, loaded) = tokio::join!(
        process::output(&mut writer),
        snapshot(&server, "load", fifo.to_str().unwrap())
    );
    assert!(written.status.success() && loaded.status.success());
    let total = server.get("/v1/runner/conversations").await["total"].clone();
    assert_eq!(total, 1);
}

#[tokio::test]
async fn a_hyphen_is_standard_output_and_standard_input() {
    let server = Binary::start(&[]).await;
    let printed = snapshot(&server, "save", "-").await;
    assert!(printed.status.success());
    is_whole(&printed.stdout);
    server.echo_conversation(None, "Hi").await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("saved"), &printed.stdout).unwrap();
    let port = server.address.port().to_string();
    let mut load = command(&["snapshot", "load", "demo", "-", "--port", &port]);
    load.stdin(fs::File::open(folder.path().join("saved")).unwrap()).current_dir(folder.path());
    assert!(process::output(&mut load).await.status.success());
    assert_eq!(server.get("/v1/runner/conversations").await["total"], 1);
    assert_eq!(names(folder.path()), ["saved"]);
}

#[tokio::test]
async fn what_cannot_be_written_is_named_with_the_reason_and_left_as_it_was() {
    let server = Binary::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let refused = start_error(&snapshot(&server, "save", path).await);
    assert_eq!(refused, format!("cannot write {path}: Is a directory (os error 21)"));
    let nowhere = format!("{path}/no/where");
    let refused = start_error(&snapshot(&server, "save", &nowhere).await);
    assert_eq!(refused, format!("cannot write {nowhere}: No such file or directory (os error 2)"));
    assert_eq!(names(folder.path()), Vec::<String>::new());
    let refused = start_error(&snapshot(&server, "load", &nowhere).await);
    assert!(refused.starts_with(&format!("cannot read {nowhere}: ")), "{refused}");
}

#[tokio::test]
async fn output_to_a_pipe_that_is_closed_ends_quietly() {
    let server = Binary::start(&[]).await;
    let port = server.address.port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let fixtures = folder.path().join("fixtures");
    let fixtures = fixtures.to_str().unwrap();
    for arguments in [
        &["fixtures", "export", fixtures][..],
        &["fixtures", "check", fixtures],
        &["fixtures", "schema"],
        &["openapi", "runner"],
        &["openapi", "characters", "--format", "http"],
        &["man"],
        &["completions", "zsh"],
        &["verify", "--list"],
        &["verify", "--target", &server.url(""), "--only", "runner.run"],
        &["snapshot", "save", "demo", "-", "--port", &port],
        &["--help"],
        &["--version"],
    ] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = command(arguments);
        let mut child = command.stdout(writer).spawn().unwrap();
        // Standard output is also this test's until then.
        drop(command);
        let mut said = String::new();
        let mut log = child.stderr.take().unwrap();
        within("the end of standard error", log.read_to_string(&mut said)).await.unwrap();
        let status = process::wait_for_exit(&mut child).await;
        assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

/// Linux only has it.
#[tokio::test]
async fn output_that_cannot_be_written_for_another_reason_is_a_failure() {
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else { return };
    for arguments in [&["openapi", "runner"][..], &["fixtures", "schema"], &["man"]] {
        let mut command = command(arguments);
        let output = command.stdout(full.try_clone().unwrap()).spawn().unwrap();
        let output = within("the end", output.wait_with_output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(said.starts_with("mynah: cannot write to standard output: "), "{said}");
    }
}

#[tokio::test]
async fn an_export_writes_through_no_link() {
    let folder = tempfile::tempdir().unwrap();
    symlink("elsewhere", folder.path().join("accounts.toml")).unwrap();
    let refused =
        start_error(&output(&["fixtures", "export", folder.path().to_str().unwrap()]).await);
    assert!(refused.ends_with("exists already; nothing was written"), "{refused}");
    assert_eq!(names(folder.path()), ["accounts.toml"]);
}
