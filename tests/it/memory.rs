//! What a client sends takes memory within stated bounds, and files that are open stay enough.
//!
//! Memory is that of the real binary, as Linux counts it: its peak (`VmHWM`), in MiB.
#![cfg(target_os = "linux")]

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::support::binary::Binary;
use crate::support::raw::{Next, Raw};
use crate::support::{ECHO, KEY, said};

const MIB: usize = 1024 * 1024;

/// The most memory that the server has taken so far, in MiB.
fn peak(server: &Binary) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test]
async fn a_long_stream_holds_little_more_than_its_text() {
    let server = Binary::start(&["--pace", "1000"]).await;
    let before = peak(&server);
    let mut raw = Raw::connect(server.address).await;
    raw.post(&format!("/v1/runner/{ECHO}/stream"), &said(&"a ".repeat(2 * MIB))).await;
    assert_eq!(raw.head().await.0, 200);
    assert_eq!(raw.next().await, Next::Chunk("a ".to_owned()));
    let grown = peak(&server) - before;
    // Cut all at once, its words took 120 MiB.
    assert!(grown < 40, "4 MiB of text took {grown} MiB");
}

#[tokio::test]
async fn lists_go_on_when_there_are_no_more_file_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let server = Binary::on_file(&folder.path().join("kept.db"), &[]).await;
    let list = server.client.get(server.url("/v1/runner/conversations")).header("x-api-key", KEY);
    // The one connection that the client keeps open.
    let health = server.client.get(server.url("/_mynah/health")).send().await.unwrap();
    assert_eq!(health.status(), 200);
    drop(health.bytes().await);
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    let limit = u64::try_from(open).unwrap();
    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap());
    let limits = Rlimit { current: Some(limit), maximum: Some(limit) };
    prlimit(pid, Resource::Nofile, limits).unwrap();
    let _waiting = TcpStream::connect(server.address).await.unwrap();
    let answer = list.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let list: Value = answer.json().await.unwrap();
    assert_ne!(list["total"], 0);
}
