//! Files of fixtures: which are read, which are skipped, and how changes are noticed.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::binary::{Binary, command, output, sentence};
use crate::support::said;

/// Far longer than anything here takes; what hangs, hangs for ever.
const LIMIT: Duration = Duration::from_mins(1);

const ACCOUNT: &str = r#"
[[plan]]
id = "plan"
requests_per_minute = 5

[[account]]
id = "me"
project = "mine"
plan = "plan"
balance = "1.5"
keys = ["MY_KEY"]

[[deployment]]
id = "MINE"
account = "me"
model = "parrot"
"#;

fn rule(text: &str) -> String {
    format!("[[rule]]\nreply = [{{ text = \"{text}\" }}]\n")
}

fn folder(rule_text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("account.toml"), ACCOUNT).unwrap();
    std::fs::write(folder.path().join("rule.toml"), rule(rule_text)).unwrap();
    folder
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn of(folder: &TempDir) -> &str {
    folder.path().to_str().unwrap()
}

async fn answer(server: &Binary) -> Value {
    let request = server.client.post(server.url("/v1/runner/MINE")).header("x-api-key", "MY_KEY");
    let answer = request.json(&said("x")).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["content"].clone()
}

/// The lines of the log up to one that says this.
async fn log_until(server: &mut Binary, wanted: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let read = async {
        loop {
            lines.push(server.log_line().await);
            if lines.last().unwrap().contains(wanted) {
                break;
            }
        }
    };
    let found = timeout(LIMIT, read).await;
    assert!(found.is_ok(), "nothing says {wanted}: {lines:#?}");
    lines
}

/// Everything that can be called `x.toml` and is not a file to read; gives name and reason of each.
fn fill(folder: &Path) -> Vec<(&'static str, &'static str)> {
    pipe(&folder.join("pipe.toml"));
    symlink("pipe.toml", folder.join("to-pipe.toml")).unwrap();
    drop(UnixListener::bind(folder.join("socket.toml")).unwrap());
    std::fs::create_dir(folder.join("folder.toml")).unwrap();
    symlink("/dev/zero", folder.join("device.toml")).unwrap();
    symlink("nowhere", folder.join("broken.toml")).unwrap();
    symlink("loop.toml", folder.join("loop.toml")).unwrap();
    File::create(folder.join("large.toml")).unwrap().set_len((4 << 20) + 1).unwrap();
    vec![
        ("broken.toml", "skipped: it is a link to nowhere, which cannot be read: "),
        ("device.toml", "skipped: it is a device, not a file"),
        ("folder.toml", "skipped: it is a folder, not a file"),
        ("large.toml", "skipped: it is larger than 4 MiB"),
        ("loop.toml", "skipped: it is a link to loop.toml, which cannot be read: "),
        ("pipe.toml", "skipped: it is a named pipe, not a file"),
        ("socket.toml", "skipped: it is a socket, not a file"),
        ("to-pipe.toml", "skipped: it is a named pipe, not a file"),
    ]
}

#[tokio::test]
async fn what_is_not_a_regular_file_is_named_and_skipped() {
    let folder = folder("read");
    let skipped = fill(folder.path());
    let check = timeout(LIMIT, output(&["fixtures", "check", of(&folder)])).await.unwrap();
    let said = String::from_utf8(check.stdout).unwrap();
    assert_eq!(check.status.code(), Some(1), "{said}");
    for (name, why) in &skipped {
        let line = format!("{}/{name}:1:1: {why}", of(&folder));
        assert!(said.contains(&line), "{line} in {said}");
    }
    assert!(said.ends_with("8 errors, no warnings\n"), "{said}");
    let server = timeout(LIMIT, Binary::start(&["--fixtures", of(&folder)])).await.unwrap();
    assert_eq!(answer(&server).await, "read");
    let lines = timeout(LIMIT, server.stop()).await.expect("SIGTERM ends the server");
    for (name, why) in &skipped {
        let named = |line: &&String| line.contains(&format!("/{name}:1:1: {why}"));
        assert_eq!(lines.iter().filter(named).count(), 1, "{name} in {lines:#?}");
    }
}

#[tokio::test]
async fn a_pipe_that_comes_while_the_server_runs_holds_up_neither_changes_nor_the_end() {
    let folder = folder("first");
    let mut server = Binary::start(&["--fixtures", of(&folder)]).await;
    pipe(&folder.path().join("a.toml"));
    let lines = log_until(&mut server, "read again").await;
    assert!(lines.iter().any(|line| line.contains("skipped: it is a named pipe")), "{lines:#?}");
    std::fs::write(folder.path().join("rule.toml"), rule("second")).unwrap();
    log_until(&mut server, "read again").await;
    assert_eq!(answer(&server).await, "second");
    timeout(LIMIT, server.stop()).await.expect("SIGTERM ends the server");
}

#[tokio::test]
async fn what_is_not_a_folder_is_refused_by_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    pipe(Path::new(&path("pipe")));
    std::fs::write(path("file.toml"), ACCOUNT).unwrap();
    for (path, what) in [
        (path("pipe"), "a named pipe, not a folder"),
        (path("file.toml"), "a file, not a folder"),
        ("/dev/null".to_owned(), "a device, not a folder"),
        (path("nothing"), "No such file"),
    ] {
        for arguments in [["fixtures", "check", &path], ["serve", "--fixtures", &path]] {
            let mut command = command(&arguments);
            command.current_dir(&folder);
            let output = timeout(LIMIT, command.output()).await.unwrap().unwrap();
            let said = sentence(&output);
            assert!(said.contains(&path) && said.contains(what), "{said}");
        }
    }
}

/// Writes a file with the time of the last change that it had.
fn write_unseen(path: &Path, text: &str) {
    let before = std::fs::metadata(path).unwrap();
    assert_eq!(before.len(), u64::try_from(text.len()).unwrap(), "the same size");
    std::fs::write(path, text).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
}

#[tokio::test]
async fn a_change_of_the_same_size_and_time_is_noticed() {
    let folder = folder("one");
    let mut server = Binary::start(&["--fixtures", of(&folder)]).await;
    assert_eq!(answer(&server).await, "one");
    write_unseen(&folder.path().join("rule.toml"), &rule("two"));
    log_until(&mut server, "read again").await;
    assert_eq!(answer(&server).await, "two");
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_noticed() {
    // As Kubernetes mounts a ConfigMap: x.toml -> ..data/x.toml, ..data -> ..1.
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for (version, text) in [("..1", "one"), ("..2", "two")] {
        std::fs::create_dir(at(version)).unwrap();
        std::fs::write(at(version).join("x.toml"), ACCOUNT.to_owned() + &rule(text)).unwrap();
        let file = File::options().write(true).open(at(version).join("x.toml")).unwrap();
        file.set_modified(time).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/x.toml", at("x.toml")).unwrap();
    let mut server = Binary::start(&["--fixtures", of(&folder)]).await;
    assert_eq!(answer(&server).await, "one");
    symlink("..2", at("..new")).unwrap();
    std::fs::rename(at("..new"), at("..data")).unwrap();
    log_until(&mut server, "read again").await;
    assert_eq!(answer(&server).await, "two");
}

#[tokio::test]
async fn a_folder_that_goes_is_reported_once_with_the_reason_and_one_that_comes_is_read() {
    let parent = tempfile::tempdir().unwrap();
    let at = |name: &str| parent.path().join(name);
    let move_to = |folder: &TempDir, name: &str| {
        std::fs::rename(folder.path(), at(name)).unwrap();
    };
    move_to(&folder("one"), "fixtures");
    let path = at("fixtures");
    let mut server = Binary::start(&["--fixtures", path.to_str().unwrap()]).await;
    std::fs::rename(&path, at("elsewhere")).unwrap();
    let lines = log_until(&mut server, "last good ones stay").await;
    let reason = "fixtures: No such file or directory";
    assert!(lines.iter().any(|line| line.contains(reason)), "{lines:#?}");
    assert_eq!(answer(&server).await, "one");
    // Another reason is told again.
    std::fs::write(&path, "").unwrap();
    let lines = log_until(&mut server, "last good ones stay").await;
    assert!(lines.iter().any(|line| line.contains("is a file, not a folder")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains(reason)), "{lines:#?}");
    std::fs::remove_file(&path).unwrap();
    move_to(&folder("two"), "fixtures");
    log_until(&mut server, "read again").await;
    assert_eq!(answer(&server).await, "two");
}

#[tokio::test]
async fn a_file_that_is_not_utf_8_is_logged_with_line_and_reason() {
    let folder = folder("good");
    let mut server = Binary::start(&["--fixtures", of(&folder)]).await;
    let text = b"[[rule]]\nid = \"x\"\nreply = [{ text = \"caf\xe9\" }]\n";
    std::fs::write(folder.path().join("a.toml"), text).unwrap();
    let lines = log_until(&mut server, "last good ones stay").await;
    let said = "a.toml:3:23: the byte 0xE9 is not UTF-8";
    assert!(lines.iter().any(|line| line.contains(said)), "{lines:#?}");
    assert_eq!(answer(&server).await, "good");
}

#[tokio::test]
async fn files_together_are_read_up_to_a_bound() {
    let folder = folder("read");
    let comment = "#".repeat((4 << 20) - 1) + "\n";
    for name in 'a'..='i' {
        std::fs::write(folder.path().join(format!("{name}.toml")), &comment).unwrap();
    }
    let check = timeout(LIMIT, output(&["fixtures", "check", of(&folder)])).await.unwrap();
    let said = String::from_utf8(check.stdout).unwrap();
    assert_eq!(check.status.code(), Some(1), "{said}");
    let why = "skipped: the files are larger than 32 MiB together";
    assert!(said.contains(&format!("/i.toml:1:1: {why}")), "{said}");
    assert!(!said.contains("/g.toml") && !said.contains("/account.toml"), "{said}");
}

#[tokio::test]
async fn export_writes_through_no_link() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    symlink(&elsewhere, folder.path().join("replies.toml")).unwrap();
    let said = sentence(&output(&["fixtures", "export", of(&folder)]).await);
    assert!(said.ends_with("replies.toml exists already; nothing was written"), "{said}");
    assert!(!elsewhere.exists());
}
