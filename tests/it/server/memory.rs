//! What a client sends takes memory within stated bounds, and files that are open stay enough.
//!
//! Memory is that of the real binary, as Linux counts it: its peak (`VmHWM`), in MiB.
#![cfg(target_os = "linux")]

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::support::binary::Binary;
use crate::support::raw::{RawConnection, chunk};
use crate::support::{ECHO, KEY, text_body};

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
    let mut raw = RawConnection::connect(server.address).await;
    raw.post(&format!("/v1/runner/{ECHO}/stream"), &text_body(&"a ".repeat(2 * MIB))).await;
    assert_eq!(raw.head().await.0, 200);
    assert_eq!(raw.next_event().await, chunk("a "));
    let grown = peak(&server) - before;
    // Cut all at once, its words took 120 MiB.
    assert!(grown < 40, "4 MiB of text took {grown} MiB");
}

/// A body of 10 MiB that parses into more than a gigabyte.
fn many_values() -> String {
    let zeros = "0,".repeat(5 * MIB - 100);
    format!(
        "{{\"content\":[{{\"type\":\"text\",\"text\":\"Hi\"}}],\"variables\":{{\"a\":[{zeros}0]}}}}"
    )
}

#[tokio::test]
async fn twelve_hostile_bodies_at_once_take_less_than_half_a_gigabyte() {
    let server = Binary::start(&[]).await;
    let body = bytes::Bytes::from(many_values());
    let send = |_| {
        let post = server.client.post(server.url(&format!("/v1/runner/{ECHO}/conversation")));
        let post = post.header("x-api-key", KEY).header("content-type", "application/json");
        post.body(body.clone()).send()
    };
    let small = server.client.get(server.url("/v1/runner/conversations")).header("x-api-key", KEY);
    let hostile = futures::future::join_all((0..12).map(send));
    let (answers, small) = futures::join!(hostile, small.send());
    assert_eq!(small.unwrap().status(), 200, "others are answered meanwhile");
    for answer in answers {
        assert_eq!(answer.unwrap().status(), 400);
    }
    let peak = peak(&server);
    assert!(peak < 512, "{peak} MiB");
}

#[tokio::test]
async fn large_messages_at_once_wait_their_turn() {
    let server = Binary::start(&[]).await;
    let mut body = text_body("Hi");
    body["variables"] = serde_json::json!({"x": "x".repeat(9 * MIB)});
    let body = bytes::Bytes::from(body.to_string());
    let send = |_| {
        let post = server.client.post(server.url("/v1/runner/YOUR_DEPLOYMENT_ID"));
        let post = post.header("x-api-key", KEY).header("content-type", "application/json");
        post.body(body.clone()).send()
    };
    for answer in futures::future::join_all((0..12).map(send)).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    let peak = peak(&server);
    assert!(peak < 512, "{peak} MiB");
}

#[tokio::test]
async fn a_list_reads_no_variables() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept.db");
    let server = Binary::on_file(&file, &[]).await;
    let mut body = text_body("Hi");
    body["variables"] = serde_json::json!({"x": "x".repeat(9 * MIB)});
    for _ in 0..4 {
        let post = server.client.post(server.url("/v1/runner/YOUR_DEPLOYMENT_ID/conversation"));
        let answer = post.header("x-api-key", KEY).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    server.signal(Signal::KILL);
    server.wait_for_exit().await;

    let server = Binary::on_file(&file, &[]).await;
    let before = peak(&server);
    let list = server.client.get(server.url("/v1/runner/conversations")).header("x-api-key", KEY);
    let list: Value = list.send().await.unwrap().json().await.unwrap();
    assert!(list["total"].as_u64() >= Some(4));
    let grown = peak(&server) - before;
    assert!(grown < 8, "{grown} MiB");
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
