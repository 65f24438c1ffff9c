//! The real binary: started on a free port, spoken to over HTTP, killed when it is dropped.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::limit::within;
use super::process::{self, program};
use super::{KEY, client, said};

/// `mynah` with these arguments and none of the surroundings' settings.
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

/// The usual settings, but for those whose flags are among `arguments` or are `left_out`; then
/// `arguments`.
fn usual_but(arguments: &[&str], left_out: &str) -> Command {
    let usual = ["--port", "0", "--database", "sqlite::memory:", "--seed", "1", "--pace", "0"];
    let mut command = command(&[]);
    for pair in
        usual.chunks_exact(2).filter(|pair| !arguments.contains(&pair[0]) && pair[0] != left_out)
    {
        command.args(pair);
    }
    command.args(arguments);
    command
}

/// What `mynah` with these arguments says until it ends.
pub async fn output(arguments: &[&str]) -> Output {
    process::output(&mut command(arguments)).await
}

/// The one sentence with which `mynah` refuses to start: exit code 1, and nothing else said.
#[track_caller]
pub fn sentence(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(output.stdout, b"", "nothing on standard output");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 1, "one line: {said}");
    lines[0].strip_prefix("mynah: ").expect("says who speaks").to_owned()
}

/// `sqlite://` and a file.
pub fn file_url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

fn read_on(log: Option<ChildStderr>) -> UnboundedReceiver<String> {
    let (pass_on, read) = unbounded_channel();
    tokio::spawn(async move {
        let Some(log) = log else { return };
        let mut lines = BufReader::new(log).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let _ = pass_on.send(line);
        }
    });
    read
}

/// All lines that are still to come.
async fn rest(log: &mut UnboundedReceiver<String>) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(line) = within("the end of the log", log.recv()).await {
        lines.push(line);
    }
    lines
}

/// A server that is ready.
pub struct Binary {
    pub address: SocketAddr,
    /// Everything on standard output up to the `Ready` line.
    pub banner: String,
    pub client: reqwest::Client,
    child: Child,
    /// Its lines are read as they come, so that the server never waits for a test to read them.
    log: UnboundedReceiver<String>,
    /// Kept open, so that nothing the server does depends on it.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Binary {
    /// On a free port, with a database in memory, a fixed seed, and streams without pause, where
    /// the arguments do not say otherwise.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::of(usual_but(arguments, "")).await
    }

    /// Two servers that differ from the usual one in one option: given as `--option value` (no
    /// value for a switch), and as `MYNAH_OPTION=value` (`true` for a switch).
    pub async fn both_ways(option: &str, value: Option<&str>) -> [Self; 2] {
        let flag = format!("--{option}");
        let arguments: Vec<&str> = std::iter::once(flag.as_str()).chain(value).collect();
        [Self::start(&arguments).await, Self::by_variable(option, value).await]
    }

    /// The usual server, but for one option that is given as `MYNAH_OPTION=value`.
    pub async fn by_variable(option: &str, value: Option<&str>) -> Self {
        let variable = format!("MYNAH_{}", option.replace('-', "_").to_uppercase());
        let mut command = usual_but(&[], &format!("--{option}"));
        command.env(variable, value.unwrap_or("true"));
        Self::of(command).await
    }

    /// The same with its data in a file.
    pub async fn on_file(path: &Path, arguments: &[&str]) -> Self {
        let url = file_url(path);
        Self::start(&[&["--database", url.as_str()], arguments].concat()).await
    }

    /// Runs `command`, whose standard error may go elsewhere, until it is ready.
    pub async fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut log = read_on(child.stderr.take());
        let mut banner = String::new();
        let ready = loop {
            let Some(line) = process::line(&mut stdout).await else {
                let said = rest(&mut log).await.concat();
                panic!("the server did not become ready: {said}");
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
        self.child.id().expect("it still runs")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until the server has ended; gives how, and the lines of the log not yet read.
    pub async fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let lines = rest(&mut self.log).await;
        (process::ended(&mut self.child).await, lines)
    }

    /// Stops the server as one should, and checks that it ends well.
    pub async fn stop(self) -> Vec<String> {
        self.signal(Signal::TERM);
        let (status, lines) = self.ended().await;
        assert_eq!(status.code(), Some(0), "{lines:?}");
        lines
    }

    /// The next line of the log.
    pub async fn log_line(&mut self) -> String {
        within("a line of the log", self.log.recv()).await.expect("a line of the log")
    }

    /// The next line of the log that tells of a request.
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

    /// Runs `text` on the echo deployment.
    pub async fn echo(&self, text: &str) -> Value {
        let answer = self.post("/v1/runner/ECHO_DEPLOYMENT_ID", &said(text)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// Says `text` in a conversation of the echo deployment, or starts one; gives the answer.
    pub async fn say(&self, conversation: Option<&str>, text: &str) -> Value {
        let mut body = said(text);
        if let Some(id) = conversation {
            body["conversation_id"] = json!(id);
        }
        let answer = self.post("/v1/runner/ECHO_DEPLOYMENT_ID/conversation", &body).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// Every message of a conversation, oldest first.
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
