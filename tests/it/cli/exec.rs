//! `mynah exec`: a command runs with a temporary server, whose URLs and keys are in its environment;
//! signals are forwarded to it, and nothing is left behind.

use std::collections::BTreeMap;
use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::support::binary::{Binary, command, file_url, output};
use crate::support::process::{self, program};
use crate::support::text_body;
use crate::support::timeout::within;

const README: &str = include_str!("../../../README.md");
const BINARY: &str = env!("CARGO_BIN_EXE_mynah");

/// `mynah exec` with these options, running a shell's script in which `$0` is `mynah`.
fn exec(options: &[&str], script: &str) -> Command {
    let mut command = command(&["exec"]);
    command.args(options).args(["--", "sh", "-c", script, BINARY]);
    command
}

async fn run(options: &[&str], script: &str) -> Output {
    process::output(&mut exec(options, script)).await
}

#[track_caller]
fn assert_ended(output: &Output, code: i32, stdout: &str, stderr: &str) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let found = (output.status.code(), text(&output.stdout), text(&output.stderr));
    assert_eq!(found, (Some(code), stdout.to_owned(), stderr.to_owned()));
}

/// A command that runs until it receives a signal or its standard input is closed.
struct RunningCommand {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl RunningCommand {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, stdin, lines: BufReader::new(stdout).lines() }
    }

    async fn line(&mut self) -> Option<String> {
        process::next_line(&mut self.lines).await
    }

    async fn expect_line(&mut self, line: &str) {
        assert_eq!(self.line().await.as_deref(), Some(line));
    }

    fn signal(&self, signal: Signal) {
        send_signal(self.child.id().unwrap(), signal);
    }

    async fn code(mut self) -> Option<i32> {
        process::wait_for_exit(&mut self.child).await.code()
    }
}

fn send_signal(process: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(process).unwrap()).unwrap(), signal).unwrap();
}

#[tokio::test]
async fn the_exit_code_and_the_output_are_those_of_the_command() {
    assert_ended(&run(&[], "exit 0").await, 0, "", "");
    assert_ended(&run(&[], "echo out; echo err >&2; exit 7").await, 7, "out\n", "err\n");
    assert_ended(&run(&[], "exit 255").await, 255, "", "");
}

#[tokio::test]
async fn a_command_that_a_signal_ended_gives_128_plus_its_number() {
    assert_ended(&run(&[], "kill -TERM $$").await, 128 + 15, "", "");
    assert_ended(&run(&[], "kill -KILL $$").await, 128 + 9, "", "");
}

#[tokio::test]
async fn a_command_that_cannot_run_gives_the_exit_code_of_shells() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, "#!/nowhere/interpreter\n").unwrap();
    let path = script.to_str().unwrap();
    let exec = async |program: &str| output(&["exec", "--", program]).await;
    let missing = "No such file or directory (os error 2)";
    assert_ended(
        &exec("no-such-command").await,
        127,
        "",
        &format!("mynah: cannot run no-such-command: {missing}\n"),
    );
    let denied = format!("mynah: cannot run {path}: Permission denied (os error 13)\n");
    assert_ended(&exec(path).await, 126, "", &denied);
    let mut mode = std::fs::metadata(&script).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    assert_ended(&exec(path).await, 126, "", &format!("mynah: cannot run {path}: {missing}\n"));
}

#[tokio::test]
async fn a_server_that_cannot_start_gives_125_and_the_command_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = folder.path().to_str().unwrap();
    let output = run(&["--fixtures", fixtures], "echo ran").await;
    assert_ended(&output, 125, "", &format!("mynah: there is no .toml file in {fixtures}\n"));
    assert_eq!(run(&["--no-such-option"], "echo ran").await.status.code(), Some(2));
}

#[tokio::test]
async fn standard_input_is_passed_to_the_command() {
    let mut child = exec(&[], "cat").stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"to and fro").await.unwrap();
    assert_ended(
        &within("the end of cat", child.wait_with_output()).await.unwrap(),
        0,
        "to and fro",
        "",
    );
}

/// The variables of Mynah in the output of `env; echo end`.
async fn read_variables(running: &mut RunningCommand) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    while let Some(line) = running.line().await.filter(|line| line != "end") {
        let (name, value) = line.split_once('=').unwrap();
        if name.starts_with("MYNAH_") {
            variables.insert(name.to_owned(), value.to_owned());
        }
    }
    variables
}

#[tokio::test]
async fn the_environment_has_urls_keys_and_ids_and_the_server_ends_with_the_command() {
    let mut running = RunningCommand::start(exec(&[], "env; echo end; read -r _; exit 5"));
    let variables = read_variables(&mut running).await;
    let names: Vec<&str> = variables.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "MYNAH_ADMIN_URL",
            "MYNAH_CHARACTERS_KEY",
            "MYNAH_CHARACTERS_URL",
            "MYNAH_DEPLOYMENT",
            "MYNAH_LLM",
            "MYNAH_RUNNER_KEY",
            "MYNAH_RUNNER_URL",
            "MYNAH_SD_MODEL",
            "MYNAH_URL",
        ]
    );
    assert!(names.iter().all(|name| README.contains(&format!("`{name}`"))));
    assert!(variables["MYNAH_URL"].starts_with("http://127.0.0.1:"));
    let client = crate::support::client();
    let run =
        client.post(format!("{}/{}", variables["MYNAH_RUNNER_URL"], variables["MYNAH_DEPLOYMENT"]));
    let run = run.header("x-api-key", &variables["MYNAH_RUNNER_KEY"]).json(&text_body("hi"));
    assert_eq!(run.send().await.unwrap().status(), 200);
    for (kind, id) in [("llm", "MYNAH_LLM"), ("sd", "MYNAH_SD_MODEL")] {
        let models =
            client.get(format!("{}/models?type={kind}", variables["MYNAH_CHARACTERS_URL"]));
        let models = models.bearer_auth(&variables["MYNAH_CHARACTERS_KEY"]).send().await.unwrap();
        let models: Value = models.json().await.unwrap();
        assert!(models.to_string().contains(&variables[id]), "{models}");
    }
    let accounts = client.get(format!("{}/accounts", variables["MYNAH_ADMIN_URL"]));
    assert_eq!(accounts.send().await.unwrap().status(), 200);
    drop(running.stdin.take());
    assert_eq!(running.code().await, Some(5));
    client.get(&variables["MYNAH_URL"]).send().await.expect_err("the server has ended, too");
}

#[tokio::test]
async fn the_command_itself_reaches_the_server() {
    let script = r#"port="${MYNAH_URL##*:}"; "$0" healthcheck --port "$port" &&
        "$0" snapshot save demo /dev/stdout --port "$port""#;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("snapshot");
    let script = script.replace("/dev/stdout", file.to_str().unwrap());
    // The command finds the token of the control plane in its environment.
    assert_ended(&run(&["--admin-token", "secret"], &script).await, 0, "", "");
    assert!(std::fs::read_to_string(file).unwrap().contains("Billing support"));
}

#[tokio::test]
async fn the_keys_of_another_first_account_are_used_and_variables_without_a_value_are_unset() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = r#"
        plan = [{ id = "only", requests_per_minute = 1 }]
        account = [{ id = "a", project = "p", plan = "only", balance = "1", keys = ["one_key"] }]
    "#;
    std::fs::write(folder.path().join("a.toml"), fixtures).unwrap();
    let mut outer = exec(&["--fixtures", folder.path().to_str().unwrap()], "env; echo end");
    outer.env("MYNAH_DEPLOYMENT", "of an outer server");
    let variables = read_variables(&mut RunningCommand::start(outer)).await;
    assert_eq!(variables["MYNAH_RUNNER_KEY"], "one_key");
    assert_eq!(variables["MYNAH_CHARACTERS_KEY"], "one_key");
    assert_eq!(variables.get("MYNAH_DEPLOYMENT"), None);
}

#[tokio::test]
async fn variables_about_another_server_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let other = Binary::start(&[]).await;
    let mut exec = exec(&[], "env; echo end");
    exec.env("MYNAH_PORT", other.address.port().to_string());
    exec.env("MYNAH_HOST", "192.0.2.1");
    exec.env("MYNAH_PUBLIC_URL", "http://elsewhere.example");
    exec.env("MYNAH_DATABASE", file_url(&folder.path().join("mynah.db")));
    let mut running = RunningCommand::start(exec);
    let variables = read_variables(&mut running).await;
    assert!(variables["MYNAH_URL"].starts_with("http://127.0.0.1:"));
    assert_ne!(variables["MYNAH_URL"], other.url(""));
    assert_eq!(running.code().await, Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_server_started_by_the_command_is_not_affected() {
    let serve = ["exec", "--", BINARY, "serve", "--port", "0", "--database", "sqlite::memory:"];
    let server = Binary::spawn(command(&serve)).await;
    server.run_echo("still here").await;
    server.stop().await;
}

/// The start of a script that runs until its standard input is closed. `wait` ends at once when a signal
/// with a trap arrives, whereas `read` can miss a signal that arrives just before it. The waiter ignores
/// Ctrl-C from its start.
const START_WAITER: &str = "trap \"\" INT QUIT; exec 3<&0; cat <&3 >/dev/null & waiter=$!";
const WAIT: &str = "while kill -0 $waiter; do wait $waiter; done";

#[tokio::test]
async fn signals_are_forwarded_and_the_exit_code_is_the_commands() {
    let script = format!(
        "{START_WAITER}
        for name in HUP INT QUIT USR1 USR2 WINCH; do trap \"echo $name\" $name; done
        trap 'echo TERM; kill $waiter; exit 9' TERM; echo ready; {WAIT}"
    );
    let mut running = RunningCommand::start(exec(&[], &script));
    running.expect_line("ready").await;
    for (signal, name) in [
        (Signal::HUP, "HUP"),
        (Signal::INT, "INT"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::WINCH, "WINCH"),
    ] {
        running.signal(signal);
        running.expect_line(name).await;
    }
    running.signal(Signal::TERM);
    running.expect_line("TERM").await;
    assert_eq!(running.line().await, None);
    assert_eq!(running.code().await, Some(9));
}

#[tokio::test]
async fn a_signal_that_the_command_does_not_catch_ends_the_command_and_the_server() {
    let mut running = RunningCommand::start(exec(&[], "echo ready; read -r _"));
    running.expect_line("ready").await;
    running.signal(Signal::INT);
    assert_eq!(running.code().await, Some(128 + 2));
}

#[tokio::test]
async fn a_signal_that_mynah_ignores_is_ignored_by_the_command_too() {
    let script = r#"trap "" HUP; exec "$0" exec -- sh -c 'kill -HUP $$; echo goes on'"#;
    let mut shell = program("sh");
    shell.args(["-c", script, BINARY]).stdin(Stdio::null());
    assert_ended(&process::output(&mut shell).await, 0, "goes on\n", "");
}

/// The terminal sends SIGINT to `mynah` and to the command, so `mynah` must not forward it.
#[tokio::test]
async fn control_c_reaches_the_command_once() {
    let in_a_terminal = |line: &str| {
        let mut script = program("script");
        script.args(["-qec", line, "/dev/null"]).env("SHELL", "/bin/sh");
        script
    };
    let attempt = within("a terminal", in_a_terminal("true").output()).await;
    if !attempt.is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: there is no terminal");
        return;
    }
    // `exec`, because a shell in between would be interrupted as well. Without the terminal's echo of
    // Ctrl-C, which can come before or after the output of the command.
    let inner = format!(
        "stty -echo; {START_WAITER}; trap \"echo INT\" INT
        trap \"echo TERM; kill $waiter; exit 9\" TERM; echo $PPID; {WAIT}"
    );
    let mut script = in_a_terminal(&format!("exec {BINARY} exec -- sh -c '{inner}'"));
    script.stdout(Stdio::piped());
    let mut running = RunningCommand::start(script);
    let id = running.line().await.unwrap().trim().parse().unwrap();
    running.stdin.as_mut().unwrap().write_all(b"\x03").await.unwrap();
    assert_eq!(running.line().await.unwrap().trim(), "INT");
    // A second SIGINT would have been forwarded before this signal.
    send_signal(id, Signal::TERM);
    let mut rest = String::new();
    let mut lines = running.lines.into_inner();
    within("the end of the output", lines.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest.trim(), "TERM");
    assert_eq!(process::wait_for_exit(&mut running.child).await.code(), Some(9));
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut exec = exec(&[], "pwd; echo $PPID");
    exec.current_dir(folder.path()).env("TMPDIR", folder.path()).env("HOME", folder.path());
    let output = process::output(&mut exec).await;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file");
}
