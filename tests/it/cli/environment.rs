//! The environment: each command reads the variables of its own options only.

use std::process::Output;

use crate::support::binary::{Binary, command};
use crate::support::process;

/// What `mynah` ends with in this environment.
async fn with(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = command(arguments);
    command.envs(variables.iter().copied());
    process::output(&mut command).await
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What Kubernetes sets in every pod of a namespace with a service of this name.
const SERVICE: (&str, &str) = ("MYNAH_PORT", "tcp://10.0.0.1:4310");

const WRONG: [(&str, &str); 8] = [
    SERVICE,
    ("MYNAH_HOST", "localhost"),
    ("MYNAH_PUBLIC_URL", "mynah.test"),
    ("MYNAH_SEED", "x"),
    ("MYNAH_BACKEND", "oracle"),
    ("MYNAH_STRICT", "perhaps"),
    ("MYNAH_CLOCK", "noon"),
    ("MYNAH_UNKNOWN", "x"),
];

#[tokio::test]
async fn invalid_variables_of_other_commands_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fixtures");
    let path = path.to_str().unwrap();
    for arguments in [
        &["fixtures", "export", path][..],
        &["fixtures", "check", path],
        &["fixtures", "schema"],
        &["openapi", "runner"],
        &["completions", "bash"],
        &["man"],
        &["verify", "--list"],
        &["help"],
        &["--version"],
        &["--help"],
        &["serve", "--help"],
    ] {
        let output = with(&WRONG, arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
    let other_server = [SERVICE, WRONG[1], WRONG[2], ("MYNAH_DATABASE", "nothing")];
    let output = with(&other_server, &["exec", "--", "true"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
}

#[tokio::test]
async fn the_variable_that_is_wrong_is_named() {
    for (variable, value) in &WRONG[..7] {
        for arguments in [&["serve"][..], &[]] {
            let refused = with(&[(variable, value)], arguments).await;
            assert_eq!(refused.status.code(), Some(2));
            let said = stderr(&refused);
            assert!(said.contains(&format!("environment variable {variable} (--")), "{said}");
            assert!(said.contains(value), "{said}");
        }
    }
    let said = stderr(&with(&[SERVICE], &[]).await);
    assert!(said.contains("Kubernetes sets MYNAH_PORT for a service named mynah"), "{said}");
    for (arguments, variable) in [
        (&["exec", "--", "true"][..], ("MYNAH_SEED", "x")),
        (&["healthcheck"], ("MYNAH_PORT", "99999")),
        (&["snapshot", "save", "demo", "-"], ("MYNAH_HOST", "localhost")),
        (&["verify"], ("MYNAH_VERIFY_PAUSE", "long")),
    ] {
        let refused = with(&[variable], arguments).await;
        assert_eq!(refused.status.code(), Some(2));
        let said = stderr(&refused);
        assert!(said.contains(&format!("environment variable {} (--", variable.0)), "{said}");
    }
    // The option counts, so it is the one to be named.
    let said = stderr(&with(&[SERVICE], &["--port", "x"]).await);
    assert!(said.contains("'x' for '--port <PORT>'"), "{said}");
}

#[tokio::test]
async fn an_option_counts_more_than_its_variable_be_that_right_or_wrong() {
    let mut by_option = command(&["--port", "0", "--database", "sqlite::memory:"]);
    by_option.envs([SERVICE]);
    let server = Binary::spawn(by_option).await;
    let port = server.address.port().to_string();
    let check = with(&[SERVICE], &["healthcheck", "--port", &port]).await;
    assert!(check.status.success(), "{}", stderr(&check));
}

/// They look at the usual port then, where a server may be that got its port by option.
#[tokio::test]
async fn commands_that_only_connect_ignore_the_port_of_a_service_and_say_so() {
    for arguments in [&["healthcheck"][..], &["snapshot", "save", "demo", "-"]] {
        let output = with(&[SERVICE], arguments).await;
        assert_ne!(output.status.code(), Some(2));
        assert!(stderr(&output).starts_with("mynah: MYNAH_PORT is ignored: Kubernetes"));
    }
}

#[tokio::test]
async fn a_variable_that_is_empty_counts_as_not_set() {
    let mut server = command(&["--database", "sqlite::memory:", "--port", "0"]);
    for option in mynah_options() {
        server.env(option, "");
    }
    Binary::spawn(server).await.run_echo("hello").await;
    let mut exec = command(&["exec", "--", "true"]);
    for option in mynah_options() {
        exec.env(option, "");
    }
    let output = process::output(&mut exec).await;
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The variables of all options of `serve`.
fn mynah_options() -> Vec<String> {
    let command = <mynah::cli::Cli as clap::CommandFactory>::command();
    let named = command.get_arguments().filter_map(|argument| argument.get_env());
    let variables: Vec<String> = named.map(|name| name.to_str().unwrap().to_owned()).collect();
    assert!(variables.len() > 15);
    variables
}

#[tokio::test]
async fn a_switch_that_is_off_conflicts_with_nothing() {
    let mut server = command(&["--database", "sqlite::memory:", "--port", "0"]);
    server.envs([("MYNAH_ADMIN_OPEN", "0"), ("MYNAH_ADMIN_TOKEN", "secret")]);
    let server = Binary::spawn(server).await;
    let accounts = server.client.get(server.url("/_mynah/accounts"));
    assert_eq!(accounts.send().await.unwrap().status(), 401);
    let both = [("MYNAH_ADMIN_OPEN", "1"), ("MYNAH_ADMIN_TOKEN", "secret")];
    assert_eq!(with(&both, &[]).await.status.code(), Some(2));
    let mut obeyed = command(&["--database", "sqlite::memory:", "--port", "0"]);
    obeyed.env("MYNAH_FAULT_HEADER", "1");
    Binary::spawn(obeyed).await;
}
