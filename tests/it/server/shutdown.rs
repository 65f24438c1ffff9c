//! How the process ends: in order within the grace, and in any case soon after it.

use std::io::{ErrorKind, PipeReader, Write as _, pipe};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use crate::support::binary::{Binary, command};
use crate::support::process;
use crate::support::text_body;
use crate::support::timeout::within;

/// The writing end of a pipe that is full and that nobody reads, as long as the reading end is kept.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = pipe().unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    for piece in [[b'x'; 4096].as_slice(), b"x"] {
        let full = loop {
            if let Err(full) = writer.write_all(piece) {
                break full;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
    }
    ioctl_fionbio(&writer, false).unwrap();
    (reader, writer.into())
}

fn signal(id: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(id).unwrap()).unwrap(), signal).unwrap();
}

const IN_MEMORY: [&str; 6] = ["--database", "sqlite::memory:", "--port", "0", "--grace", "0"];

/// Whoever writes a line to its log stands still, and so does the stop itself.
#[tokio::test]
async fn sigterm_ends_a_server_whose_threads_are_all_blocked() {
    let (_reader, log) = full_pipe();
    let mut stalled = command(&IN_MEMORY);
    stalled.stderr(log);
    let server = Binary::spawn(stalled).await;
    server.signal(Signal::TERM);
    let (status, _) = server.wait_for_exit().await;
    assert_eq!(status.code(), Some(1));
}

#[tokio::test]
async fn sigterm_ends_a_server_whose_standard_output_is_not_read() {
    let (_reader, banner) = full_pipe();
    let mut server = command(&IN_MEMORY);
    let mut server = server.stdout(banner).stderr(Stdio::null()).spawn().unwrap();
    signal(server.id().unwrap(), Signal::TERM);
    let status = process::wait_for_exit(&mut server).await;
    // It may end before it listens for the signal.
    assert!(status.code() == Some(1) || status.signal() == Some(15), "{status}");
}

#[tokio::test]
async fn a_second_signal_ends_the_server_at_once_whatever_the_grace() {
    for (second, code) in [(Signal::TERM, 128 + 15), (Signal::INT, 128 + 2)] {
        let mut server = Binary::start(&["--grace", "3600", "--pace", "3600000"]).await;
        let path = "/v1/runner/ECHO_DEPLOYMENT_ID/stream";
        let mut stream = server.post(path, &text_body("one two")).send().await.unwrap();
        assert_eq!(stream.chunk().await.unwrap().unwrap(), "one ");
        server.signal(Signal::TERM);
        while !server.log_line().await.contains("stopping") {}
        server.signal(second);
        let (status, _) = server.wait_for_exit().await;
        assert_eq!(status.code(), Some(code));
    }
}

#[tokio::test]
async fn connections_that_are_busy_after_the_grace_are_cut_off_and_the_server_ends_well() {
    let server = Binary::start(&["--grace", "0", "--pace", "3600000"]).await;
    let path = "/v1/runner/ECHO_DEPLOYMENT_ID/stream";
    let mut stream = server.post(path, &text_body("one two")).send().await.unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "one ");
    let lines = server.stop().await;
    assert!(lines.iter().any(|line| line.contains("are cut off")), "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains("not stored")), "{lines:?}");
}

/// `mynah exec` with a log that nobody reads.
fn stalled_exec(options: &[&str], script: &str) -> (PipeReader, Command) {
    let (reader, log) = full_pipe();
    let mut exec = command(&["exec"]);
    exec.args(options).args(["--", "sh", "-c", script]).stderr(log);
    (reader, exec)
}

#[tokio::test]
async fn a_server_that_does_not_stop_keeps_exec_no_longer_than_its_grace() {
    let (_reader, mut exec) = stalled_exec(&["--log", "info"], "echo ran; exit 3");
    let output = process::output(&mut exec).await;
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(3), b"ran\n".as_slice()));
}

#[tokio::test]
async fn a_signal_before_the_command_is_started_ends_exec() {
    let folder = tempfile::tempdir().unwrap();
    // Rules that never answer are warned of, which here takes for ever.
    let rules = "[[rule]]\nreply = [{ text = \"a\" }]\n".repeat(2);
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    for name in ["accounts.toml", "deployments.toml"] {
        std::fs::copy(format!("{fixtures}/{name}"), folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("rules.toml"), rules).unwrap();
    let options = ["--fixtures", folder.path().to_str().unwrap()];
    let (_reader, mut exec) = stalled_exec(&options, "echo ran");
    let child = exec.spawn().unwrap();
    signal(child.id().unwrap(), Signal::TERM);
    let what = "the end of exec";
    let output = within(what, child.wait_with_output()).await.unwrap();
    // It may end before it listens for the signal.
    let ended = output.status.code() == Some(128 + 15) || output.status.signal() == Some(15);
    assert!(ended && output.stdout.is_empty(), "{output:?}");
}
