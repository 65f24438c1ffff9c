//! The command `mynah`: a server process on a free port, which is killed when it is dropped.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::process::{self, program};
use super::timeout::within;
use super::{KEY, client, continue_body, text_body};

/// `mynah` with these arguments and without the environment's `MYNAH_` variables.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_mynah"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MYNAH_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).env("RUST_BACKTRACE", "1");
    command.stdin(Stdio::null());
    command
}

/// The default options of tests without those in `arguments` and without `omitted`, and then
/// `arguments`.
fn with_defaults(arguments: &[&str], omitted: &str) -> Command {
    let defaults = ["--port", "0", "--database", "sqlite::memory:", "--seed", "1", "--pace", "0"];
    let mut command = command(&[]);
    for pair in
        defaults.chunks_exact(2).filter(|pair| !arguments.contains(&pair[0]) && pair[0] != omitted)
    {
        command.args(pair);
    }
    command.args(arguments);
    command
}

/// Runs `mynah` with these arguments to its end.
pub async fn output(arguments: &[&str]) -> Output {
    process::output(&mut command(arguments)).await
}

/// The one line of the error with which `mynah` refuses to start: exit code 1, and no other output.
#[track_caller]
pub fn start_error(output: &Output) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(output.stdout, b"", "nothing on standard output");
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 1, "one line: {stderr}");
    lines[0].strip_prefix("mynah: ").expect("the name of the program").to_owned()
}

/// `sqlite://` and a file.
pub fn file_url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

fn read_lines(log: Option<ChildStderr>) -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        let Some(log) = log else { return };
        let mut lines = BufReader::new(log).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// All further lines.
async fn remaining_lines(log: &mut UnboundedReceiver<String>) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(line) = within("the end of the log", log.recv()).await {
        lines.push(line);
    }
    lines
}

/// A server process that is ready.
pub struct Binary {
    pub address: SocketAddr,
    /// Everything on standard output up to the `Ready` line.
    pub banner: String,
    pub client: reqwest::Client,
    child: Child,
    /// Read as the lines come, so that the server never waits for the test.
    log: UnboundedReceiver<String>,
    /// Kept open, so that writing to it never fails.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Binary {
    /// On a free port, with a database in memory, a fixed seed and streams without pauses, unless the
    /// arguments differ.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::spawn(with_defaults(arguments, "")).await
    }

    /// Two servers with one more option: given as `--option value` (no value for a switch), and as
    /// `MYNAH_OPTION=value` (`true` for a switch).
    pub async fn by_flag_and_variable(option: &str, value: Option<&str>) -> [Self; 2] {
        let flag = format!("--{option}");
        let arguments: Vec<&str> = std::iter::once(flag.as_str()).chain(value).collect();
        [Self::start(&arguments).await, Self::by_variable(option, value).await]
    }

    /// A server with one more option, given as `MYNAH_OPTION=value`.
    pub async fn by_variable(option: &str, value: Option<&str>) -> Self {
        let variable = format!("MYNAH_{}", option.replace('-', "_").to_uppercase());
        let mut command = with_defaults(&[], &format!("--{option}"));
        command.env(variable, value.unwrap_or("true"));
        Self::spawn(command).await
    }

    /// A server with its database in a file.
    pub async fn on_file(path: &Path, arguments: &[&str]) -> Self {
        let url = file_url(path);
        Self::start(&[&["--database", url.as_str()], arguments].concat()).await
    }

    /// Runs `command` until it is ready. Its standard error may go elsewhere.
    pub async fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut log = read_lines(child.stderr.take());
        let mut banner = String::new();
        let ready = loop {
            let Some(line) = process::next_line(&mut stdout).await else {
                let logged = remaining_lines(&mut log).await.concat();
                panic!("the server did not become ready: {logged}");
            };
            banner.push_str(&line);
            banner.push('\n');
            if line.starts_with("Ready") {
                break line;
            }
        };
        let address = ready.rsplit_once("http://").expect("an address").1.parse().unwrap();
        Self { address, banner, client: client(), child, log, _stdout: stdout }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until the server has ended; returns its status and the lines of the log that were not read
    /// yet.
    pub async fn wait_for_exit(mut self) -> (ExitStatus, Vec<String>) {
        let lines = remaining_lines(&mut self.log).await;
        (process::wait_for_exit(&mut self.child).await, lines)
    }

    /// Stops the server with SIGTERM; its exit code must be 0. Returns the rest of its log.
    pub async fn stop(self) -> Vec<String> {
        self.signal(Signal::TERM);
        let (status, lines) = self.wait_for_exit().await;
        assert_eq!(status.code(), Some(0), "{lines:?}");
        lines
    }

    /// The next line of the log.
    pub async fn log_line(&mut self) -> String {
        within("a line of the log", self.log.recv()).await.expect("a line of the log")
    }

    /// The next line of the log about a request.
    pub async fn request_line(&mut self) -> String {
        loop {
            let line = self.log_line().await;
            if line.contains("request_id") {
                return line;
            }
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(self.url(path)).header("x-api-key", KEY).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    pub fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.client.post(self.url(path)).header("x-api-key", KEY).json(body)
    }

    /// Runs the echo deployment.
    pub async fn run_echo(&self, text: &str) -> Value {
        let answer =
            self.post("/v1/runner/ECHO_DEPLOYMENT_ID", &text_body(text)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// Starts a conversation with the echo deployment, or continues it.
    pub async fn echo_conversation(&self, conversation: Option<&str>, text: &str) -> Value {
        let body = match conversation {
            Some(id) => continue_body(id, text),
            None => text_body(text),
        };
        let answer = self.post("/v1/runner/ECHO_DEPLOYMENT_ID/conversation", &body).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// All messages of a conversation, oldest first.
    pub async fn messages(&self, conversation: &str) -> Vec<Value> {
        let mut messages = Vec::new();
        for page in 1.. {
            let path = format!(
                "/v1/runner/conversation/{conversation}/messages?page_size=100&page={page}"
            );
            let mut answer = self.get(&path).await;
            messages.append(answer["items"].as_array_mut().unwrap());
            if answer["has_more"] != json!(true) {
                break;
            }
        }
        messages
    }
}
