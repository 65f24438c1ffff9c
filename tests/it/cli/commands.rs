//! The command line: every option, every refusal, and the commands beside `serve`.

use std::path::Path;

use mynah::clock::Stopwatch;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::binary::{Binary, command, file_url, output, start_error};
use crate::support::process::{self, has_curl, program};
use crate::support::timeout::within;
use crate::support::{CONVERSATION, DEPLOYMENT, KEY, text_body};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

// The banner.

#[tokio::test]
async fn the_banner_tells_urls_keys_and_database_and_ends_with_ready() {
    let server = Binary::start(&[]).await;
    let base = server.url("");
    for part in [
        format!("{base}/v1/runner\n"),
        format!("{base}/api/v1\n"),
        format!("{base}/_mynah/health\n"),
        "sqlite::memory:\n".to_owned(),
        "YOUR_API_KEY, your_api_key_here\n".to_owned(),
        "free_api_key\n".to_owned(),
        "broke_api_key\n".to_owned(),
        "other_api_key\n".to_owned(),
    ] {
        assert!(server.banner.contains(&part), "{part} in {}", server.banner);
    }
    assert_eq!(server.banner.lines().last().unwrap(), format!("Ready on {base}"));
}

#[tokio::test]
async fn both_curl_lines_of_the_banner_work_as_printed() {
    let server = Binary::start(&[]).await;
    let lines: Vec<&str> =
        server.banner.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    let [run, stream] = lines[..] else { panic!("two curl lines: {}", server.banner) };
    let answer: Value = serde_json::from_str(&send(&server, run).await).unwrap();
    assert_eq!(answer["content"], "Your AI-generated response here...");
    assert!(send(&server, stream).await.split(' ').count() > 3, "a streamed story");
}

/// Runs a line by curl, or sends what it says where there is no curl.
async fn send(server: &Binary, line: &str) -> String {
    if has_curl().await {
        let silent = line.replacen("curl", "curl -sS --fail-with-body", 1);
        let output = process::output(program("sh").args(["-c", &silent])).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        return text(&output.stdout);
    }
    let mut request = None;
    let words = shell_words(line);
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        request = match word {
            "curl" | "-N" => request,
            "-H" => {
                let (name, value) = words.next().unwrap().split_once(": ").unwrap();
                request.map(|request: reqwest::RequestBuilder| request.header(name, value))
            }
            "-d" => {
                let body = words.next().unwrap().to_owned();
                request.map(|request| request.body(body))
            }
            url => Some(server.client.post(url)),
        };
    }
    let answer = request.unwrap().send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

/// The words of a line that quotes with single quotes only.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words
}

// Every option, as a flag and as a variable.

#[tokio::test]
async fn host_is_the_address_listened_on() {
    for server in Binary::by_flag_and_variable("host", Some("127.0.0.2")).await {
        assert_eq!(server.address.ip().to_string(), "127.0.0.2");
        assert_eq!(server.run_echo("hello").await["content"], "hello");
    }
}

#[tokio::test]
async fn port_is_the_port_listened_on() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut by_variable = command(&["--database", "sqlite::memory:"]);
    by_variable.env("MYNAH_PORT", &port);
    let by_flag = output(&["--database", "sqlite::memory:", "--port", &port]).await;
    for refused in [by_flag, process::output(&mut by_variable).await] {
        let sentence = start_error(&refused);
        assert!(
            sentence.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")),
            "{sentence}"
        );
    }
}

#[tokio::test]
async fn database_is_where_data_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept.db");
    // A database has one server at a time.
    let one = Binary::on_file(&file, &[]).await;
    assert!(file.exists());
    let id =
        one.echo_conversation(None, "hello").await["conversation_id"].as_str().unwrap().to_owned();
    one.stop().await;
    let two = Binary::by_variable("database", Some(&file_url(&file))).await;
    assert_eq!(two.messages(&id).await.len(), 2);
}

#[tokio::test]
async fn fixtures_take_the_place_of_the_built_in_ones() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "all.toml", &SOUND.replace("MY_KEY", "ANOTHER_KEY"));
    for server in Binary::by_flag_and_variable("fixtures", folder.path().to_str()).await {
        assert!(server.banner.contains("ANOTHER_KEY"));
        let refused =
            server.post("/v1/runner/MY_DEPLOYMENT", &text_body("hi")).send().await.unwrap();
        assert_eq!(refused.status(), 401);
    }
}

#[tokio::test]
async fn backend_answers_whatever_a_deployment_says() {
    for server in Binary::by_flag_and_variable("backend", Some("echo")).await {
        let path = format!("/v1/runner/{DEPLOYMENT}");
        let answer =
            server.post(&path, &text_body("Your input message here.")).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["content"], "Your input message here.");
    }
}

#[tokio::test]
async fn pace_is_the_time_between_two_words() {
    for server in Binary::by_flag_and_variable("pace", Some("150")).await {
        let stopwatch = Stopwatch::start();
        let path = "/v1/runner/ECHO_DEPLOYMENT_ID/stream";
        let answer = server.post(path, &text_body("one two three")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "one two three");
        assert!(stopwatch.elapsed().as_millis() >= 300, "two pauses");
    }
}

#[tokio::test]
async fn seed_makes_ids_repeatable() {
    let mut ids = Vec::new();
    let other = Binary::start(&["--seed", "8"]).await;
    for server in Binary::by_flag_and_variable("seed", Some("7")).await.iter().chain([&other]) {
        ids.push(server.echo_conversation(None, "hello").await["conversation_id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[tokio::test]
async fn without_a_seed_ids_differ_from_run_to_run() {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let server =
            Binary::spawn(command(&["--database", "sqlite::memory:", "--port", "0"])).await;
        ids.push(server.echo_conversation(None, "hello").await["conversation_id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn clock_is_the_time_at_which_clocks_are_frozen() {
    for server in Binary::by_flag_and_variable("clock", Some("2026-01-01T01:00:00+01:00")).await {
        assert_eq!(
            server.echo_conversation(None, "hello").await["created_at"],
            "2026-01-01T00:00:00Z"
        );
    }
}

#[tokio::test]
async fn strict_refuses_fields_that_are_not_documented() {
    let mut body = text_body("hello");
    body["colour"] = json!("red");
    let status = async |server: &Binary| {
        let answer = server.post("/v1/runner/ECHO_DEPLOYMENT_ID", &body).send().await.unwrap();
        answer.status().as_u16()
    };
    for server in Binary::by_flag_and_variable("strict", None).await {
        assert_eq!(status(&server).await, 400);
    }
    for (value, expected) in [("1", 400), ("on", 400), ("0", 200), ("false", 200)] {
        let mut command = command(&["--database", "sqlite::memory:", "--port", "0"]);
        command.env("MYNAH_STRICT", value);
        assert_eq!(status(&Binary::spawn(command).await).await, expected, "MYNAH_STRICT={value}");
    }
}

#[tokio::test]
async fn runner_errors_chooses_the_envelope() {
    for server in Binary::by_flag_and_variable("runner-errors", Some("fastapi")).await {
        let path = format!("/v1/runner/{DEPLOYMENT}");
        let answer = server.post(&path, &json!({})).send().await.unwrap();
        assert_eq!(answer.status(), 422);
        assert!(answer.json::<Value>().await.unwrap()["detail"].is_array());
    }
}

#[tokio::test]
async fn message_content_shows_parts_everywhere() {
    for server in Binary::by_flag_and_variable("message-content", Some("parts")).await {
        let first = &server.messages(CONVERSATION).await[0];
        assert_eq!(first["content"], json!([{"type": "text", "text": "Hi"}]));
    }
}

#[tokio::test]
async fn times_chooses_how_times_are_shown() {
    for server in Binary::by_flag_and_variable("times", Some("micros")).await {
        let first = &server.messages(CONVERSATION).await[0];
        assert_eq!(first["created_at"], "2026-03-24T09:00:00.000000");
    }
}

#[tokio::test]
async fn profile_changes_what_no_other_option_sets() {
    for server in Binary::by_flag_and_variable("profile", Some("current")).await {
        let first = &server.messages(CONVERSATION).await[0];
        assert_eq!(first["content"], json!([{"type": "text", "text": "Hi"}]));
        assert_eq!(first["created_at"], "2026-03-24T09:00:00.000000");
    }
    let server = Binary::start(&["--profile", "current", "--times", "seconds"]).await;
    let first = &server.messages(CONVERSATION).await[0];
    assert_eq!(first["content"], json!([{"type": "text", "text": "Hi"}]));
    assert_eq!(first["created_at"], "2026-03-24T09:00:00Z");
}

#[tokio::test]
async fn public_url_is_the_base_of_links() {
    let url = "https://mynah.example/here/";
    let mut by_variable = command(&["--database", "sqlite::memory:", "--port", "0"]);
    by_variable.env("MYNAH_PUBLIC_URL", url);
    let by_flag = command(&["--database", "sqlite::memory:", "--port", "0", "--public-url", url]);
    for mut command in [by_flag, by_variable] {
        let mut child = command.spawn().unwrap();
        let banner = until_ready(&mut child).await;
        assert!(banner.contains("curl https://mynah.example/here/v1/runner/"), "{banner}");
        assert!(banner.ends_with("Ready on https://mynah.example/here\n"), "{banner}");
    }
}

async fn until_ready(child: &mut tokio::process::Child) -> String {
    use tokio::io::AsyncBufReadExt as _;
    let mut lines = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let mut banner = String::new();
    while let Some(line) = process::next_line(&mut lines).await {
        banner.push_str(&line);
        banner.push('\n');
        if line.starts_with("Ready") {
            return banner;
        }
    }
    panic!("not ready: {banner}");
}

#[tokio::test]
async fn rate_limit_reset_chooses_between_a_time_and_a_span() {
    for server in Binary::by_flag_and_variable("rate-limit-reset", Some("delta")).await {
        let request = server.client.get(server.url("/api/v1/models?type=llm")).bearer_auth(KEY);
        let answer = request.send().await.unwrap();
        let reset: u64 = answer.headers()["x-ratelimit-reset"].to_str().unwrap().parse().unwrap();
        assert!(reset <= 60, "seconds to go: {reset}");
    }
}

/// The status of the control plane's list of accounts for a client that sends this `Host`.
async fn control_plane(server: &Binary, host: &str, token: Option<&str>) -> u16 {
    let mut request = server.client.get(server.url("/_mynah/accounts")).header("host", host);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn admin_token_is_the_key_of_the_control_plane() {
    for server in Binary::by_flag_and_variable("admin-token", Some("sesame")).await {
        assert_eq!(control_plane(&server, "localhost", None).await, 401);
        assert_eq!(control_plane(&server, "localhost", Some("sesame")).await, 200);
        let lines = server.stop().await;
        assert!(lines.iter().all(|line| !line.contains("sesame")), "{lines:?}");
    }
    let mut help = command(&["--help"]);
    let help = text(&process::output(help.env("MYNAH_ADMIN_TOKEN", "sesame")).await.stdout);
    assert!(!help.contains("sesame"), "{help}");
}

#[tokio::test]
async fn admin_open_opens_the_control_plane() {
    let usual = Binary::start(&[]).await;
    assert_eq!(control_plane(&usual, "mynah.example", None).await, 403);
    for server in Binary::by_flag_and_variable("admin-open", None).await {
        assert_eq!(control_plane(&server, "mynah.example", None).await, 200);
    }
    let mut closed = command(&["--database", "sqlite::memory:", "--port", "0"]);
    closed.env("MYNAH_ADMIN_OPEN", "0");
    let closed = Binary::spawn(closed).await;
    assert_eq!(control_plane(&closed, "mynah.example", None).await, 403);
}

#[tokio::test]
async fn threads_is_how_many_answer() {
    for server in Binary::by_flag_and_variable("threads", Some("40")).await {
        server.run_echo("hello").await;
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
        assert!(tasks.count() > 40);
    }
    let [one, _] = Binary::by_flag_and_variable("threads", Some("1")).await;
    one.run_echo("hello").await;
}

#[tokio::test]
async fn log_chooses_what_is_logged() {
    for server in Binary::by_flag_and_variable("log", Some("error")).await {
        server.run_echo("hello").await;
        assert_eq!(server.stop().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn log_format_makes_json_of_every_line() {
    for server in Binary::by_flag_and_variable("log-format", Some("json")).await {
        server.run_echo("hello").await;
        let lines = server.stop().await;
        assert!(lines.len() >= 2, "a request and the end: {lines:?}");
        for line in lines {
            serde_json::from_str::<Value>(&line).expect("a JSON object");
        }
    }
}

#[tokio::test]
async fn variables_of_serve_do_not_affect_other_commands() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "all.toml", SOUND);
    let mut check = command(&["fixtures", "check", folder.path().to_str().unwrap()]);
    check.env("MYNAH_PORT", "0").env("MYNAH_STRICT", "true").env("MYNAH_SEED", "1");
    assert_eq!(process::output(&mut check).await.status.code(), Some(0));
    let mut serve = command(&["serve", "--database", "sqlite::memory:"]);
    serve.env("MYNAH_PORT", "0");
    Binary::spawn(serve).await.run_echo("hello").await;
}

// Help, version, usage.

#[tokio::test]
async fn help_names_every_option_with_its_variable() {
    let help = output(&["--help"]).await;
    assert_eq!(help.status.code(), Some(0));
    let help = text(&help.stdout);
    for option in [
        "host",
        "port",
        "database",
        "fixtures",
        "backend",
        "pace",
        "seed",
        "clock",
        "strict",
        "profile",
        "runner-errors",
        "message-content",
        "times",
        "public-url",
        "journal-max",
        "threads",
        "grace",
        "log-format",
        "log",
    ] {
        let variable = format!("[env: MYNAH_{}=", option.replace('-', "_").to_uppercase());
        assert!(help.contains(&format!("--{option}")), "--{option}");
        assert!(help.contains(&variable), "{variable}");
    }
}

#[tokio::test]
async fn version_is_the_crate_s() {
    let version = output(&["--version"]).await;
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(text(&version.stdout), format!("mynah {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn wrong_usage_is_exit_code_2_and_says_what_was_wrong() {
    for (arguments, said) in [
        (&["--colour"][..], "--colour"),
        (&["--port", "99999"], "99999"),
        (&["--pace", "fast"], "fast"),
        (&["--backend", "oracle"], "oracle"),
        (&["--clock", "noon"], "2026-03-24T09:00:00Z"),
        (&["--public-url", "here"], "--public-url"),
        (&["--public-url", "http://localhost/?q=1"], "there must be no query"),
        (&["--public-url", "http://localhost/#f"], "there must be no fragment"),
        (&["--public-url", "ftp://localhost"], "the scheme must be http or https"),
        (&["--public-url", "http://me:secret@localhost"], "there must be no user name"),
        (&["exec", "--public-url", "ftp://localhost", "--", "true"], "the scheme must be"),
        (&["openapi", "runner", "--server", "http://localhost/?q=1"], "there must be no query"),
        (&["fixtures"], "check"),
        (&["sing"], "sing"),
    ] {
        let refused = output(arguments).await;
        let told = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(told.contains(said), "{told}");
    }
}

// Refusals to start.

/// What `mynah` says when it is started on this database.
async fn refused_database(url: &str) -> String {
    start_error(&output(&["--port", "0", "--database", url]).await)
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.db");
    std::fs::write(&file, "Dear Sir or Madam, this is a letter and no database.").unwrap();
    let url = file_url(&file);
    let sentence = refused_database(&url).await;
    assert!(sentence.starts_with(&format!("cannot open the database {url}: ")), "{sentence}");
    assert_eq!(sentence.matches("file is not a database").count(), 1, "{sentence}");
    let letter = std::fs::read_to_string(&file).unwrap();
    assert!(letter.starts_with("Dear Sir"), "it is left alone");
}

#[tokio::test]
async fn a_database_in_no_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sentence = refused_database(&file_url(&folder.path().join("no/where.db"))).await;
    assert_eq!(sentence.matches("unable to open database file").count(), 1, "{sentence}");
}

#[tokio::test]
async fn what_is_no_sqlite_address_is_refused() {
    let sentence = refused_database("postgres://localhost/mynah").await;
    assert!(sentence.contains("write sqlite://FILE or sqlite::memory:"), "{sentence}");
}

#[tokio::test]
async fn a_database_of_a_newer_mynah_is_refused_and_left_as_it_is() {
    use sqlx::Connection as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("newer.db");
    Binary::on_file(&file, &[]).await.stop().await;
    let mut connection = sqlx::SqliteConnection::connect(&file_url(&file)).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', TRUE, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let sentence = refused_database(&file_url(&file)).await;
    assert!(sentence.contains("was made by a newer Mynah"), "{sentence}");
}

#[tokio::test]
async fn a_bad_fixture_is_refused_with_its_place_and_the_number_of_others() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "bad.toml", "[[plan]]\nid = 5\nrequests_per_minute = \"many\"\n");
    let folder = folder.path().to_str().unwrap();
    let arguments = ["--port", "0", "--database", "sqlite::memory:", "--fixtures", folder];
    let sentence = start_error(&output(&arguments).await);
    assert!(sentence.contains("bad.toml:2:6: plan[0].id: "), "{sentence}");
    assert!(sentence.ends_with(" (and 1 more)"), "{sentence}");
}

#[tokio::test]
async fn a_folder_without_fixtures_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    for (folder, said) in [(folder.path(), "there is no .toml file in"), (&nowhere, "cannot read")]
    {
        let folder = folder.to_str().unwrap();
        let arguments = ["--port", "0", "--database", "sqlite::memory:", "--fixtures", folder];
        let sentence = start_error(&output(&arguments).await);
        assert!(sentence.starts_with(said), "{sentence}");
        assert!(sentence.matches("os error 2").count() <= 1, "{sentence}");
    }
}

#[tokio::test]
async fn a_bad_log_filter_is_refused() {
    let sentence = start_error(&output(&["--port", "0", "--log", "a=b=c"]).await);
    assert!(sentence.starts_with("`a=b=c` is no log filter: "), "{sentence}");
}

// Fixtures.

/// The least that serves.
const SOUND: &str = r#"
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
id = "MY_DEPLOYMENT"
account = "me"
model = "parrot"
"#;

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// `fixtures check` on one file; gives exit code and lines.
async fn checked(text_of_file: &str) -> (i32, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "all.toml", text_of_file);
    let path = folder.path().to_str().unwrap();
    let check = output(&["fixtures", "check", path]).await;
    let prefix = format!("{path}/");
    let lines = text(&check.stdout).lines().map(|line| line.replace(&prefix, "")).collect();
    assert_eq!(text(&check.stderr), "");
    (check.status.code().unwrap(), lines)
}

#[tokio::test]
async fn templates_and_patterns_that_cannot_be_used_are_found_with_their_lines() {
    let deep = "-".repeat(7000);
    let invalid = format!(
        r#"[[rule]]
reply = [{{ text = "{{{{ message.text|uper }}}}" }}]
[[rule]]
when.equals = "x"
[[rule.reply]]
thoughts = "{{{{ nofunction() }}}}"
text = "{{{{ {deep}1 }}}}"
[[rule]]
when = {{ regex = '\pL{{300}}' }}
reply = [{{ text = "a" }}]
"#
    );
    let (code, lines) = checked(&invalid).await;
    assert_eq!(code, 1);
    let found = |line: usize, what: &str| {
        let at = format!("all.toml:{line}:");
        assert!(lines.iter().any(|it| it.contains(&at) && it.contains(what)), "{lines:?}");
    };
    found(2, "there is no filter called `uper`");
    found(6, "there is no function called `nofunction`");
    found(7, "the template nests deeper than");
    found(9, "compiles to more than");
}

#[tokio::test]
async fn exported_fixtures_are_clean_and_the_same_as_the_built_in_ones() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("my/fixtures");
    let target = target.to_str().unwrap();
    let export = output(&["fixtures", "export", target]).await;
    assert_eq!(export.status.code(), Some(0), "{}", text(&export.stderr));
    for path in text(&export.stdout).lines() {
        assert!(Path::new(path).exists(), "{path}");
    }
    let check = output(&["fixtures", "check", target]).await;
    assert_eq!(text(&check.stdout), "no errors, no warnings\n");
    assert_eq!(check.status.code(), Some(0));
    let server = Binary::start(&["--fixtures", target]).await;
    let answer = server.post(&format!("/v1/runner/{DEPLOYMENT}"), &text_body("Hi")).send().await;
    let answer: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(answer["content"], "Hello! How can I help?");
    let again = start_error(&output(&["fixtures", "export", target]).await);
    assert!(again.ends_with("exists already; nothing was written"), "{again}");
}

#[tokio::test]
async fn check_reports_every_error_found_while_reading() {
    let invalid = r#"[[plan]]
id = "plan"
requests_per_minute = "five"

[[account]]
id = "me"
project = "mine"
plan = "plan"
balance = "1.5"
keys = ["MY_KEY"]
colour = "red"

[[deployment]]
id = "MY_DEPLOYMENT"
model = "parrot"

[[colour]]
name = "red"
"#;
    let (code, lines) = checked(invalid).await;
    assert_eq!(code, 1);
    let [plan, account, deployment, section, count] = &lines[..] else { panic!("{lines:#?}") };
    assert!(plan.starts_with("all.toml:3:23: plan[0].requests_per_minute: "), "{plan}");
    assert!(account.starts_with("all.toml:11:1: account[0]"), "{account}");
    assert!(account.contains("colour"), "{account}");
    assert!(deployment.starts_with("all.toml:13:1: deployment[0]: "), "{deployment}");
    assert!(deployment.contains("missing field `account`"), "{deployment}");
    assert!(section.starts_with("all.toml:17:"), "{section}");
    assert!(section.contains("unknown section `colour`"), "{section}");
    assert_eq!(count, "4 errors, no warnings");
}

#[tokio::test]
async fn check_reports_every_error_found_when_names_are_looked_up() {
    let invalid = format!(
        r#"{SOUND}
[[account]]
id = "me"
project = "mine"
plan = "gold"
balance = "a lot"
keys = ["MY_KEY"]

[[deployment]]
id = "MY_DEPLOYMENT"
account = "nobody"
model = "parrot"

[[deployment]]
id = "MY_DEPLOYMENT"
account = "me"
model = "parrot"

[[conversation]]
id = "550e8400-e29b-41d4-a716-446655440000"
deployment = "NO_DEPLOYMENT"
name = "Talk"
created_at = "yesterday"
updated_at = 2026-03-24T09:01:00Z

[[rule]]
id = "greeting"
when = {{ regex = "(hello" }}
reply = [{{ text = "{{{{ message.text" }}]

[[rule]]
id = "greeting"
when = {{ equals = "hi" }}
reply = [{{ text = "hi" }}]
"#
    );
    let (code, lines) = checked(&invalid).await;
    assert_eq!(code, 1, "{lines:#?}");
    let line_of = |needle: &str, from: usize| {
        let found = invalid.lines().enumerate().skip(from).find(|(_, line)| line.contains(needle));
        found.unwrap().0 + 1
    };
    let second_account = line_of("plan = \"gold\"", 0) - 2;
    for (line, said) in [
        (second_account, "there are two accounts called `me`"),
        (line_of("plan = \"gold\"", 0), "there is no plan called `gold`"),
        (line_of("a lot", 0), "expected credits"),
        (line_of("MY_KEY", second_account), "this key is given twice"),
        (line_of("nobody", 0), "there is no account called `nobody`"),
        (line_of("nobody", 0) + 4, "there are two deployments called `MY_DEPLOYMENT`"),
        (line_of("NO_DEPLOYMENT", 0), "there is no deployment called `NO_DEPLOYMENT`"),
        (line_of("yesterday", 0), "expected a time like"),
        (line_of("(hello", 0), "regex"),
        (line_of("{{ message.text", 0), "rule[0].reply[0].text: "),
        (line_of("equals = \"hi\"", 0) - 1, "there are two rules called `greeting`"),
    ] {
        let place = format!("all.toml:{line}:");
        assert!(
            lines.iter().any(|found| found.starts_with(&place) && found.contains(said)),
            "{place} {said} in {lines:#?}"
        );
    }
    assert_eq!(lines.last().unwrap(), "11 errors, no warnings", "{lines:#?}");
}

#[tokio::test]
async fn check_warns_of_rules_that_can_never_answer() {
    let doubtful = format!(
        r#"{SOUND}
[[rule]]
id = "wide"
when = {{ contains = "hello" }}
reply = [{{ text = "1" }}]

[[rule]]
when = {{ equals = "Hello there" }}
reply = [{{ text = "2" }}]

[[rule]]
when = {{ deployment = "NO_DEPLOYMENT", contains = "x" }}
reply = [{{ text = "3" }}]

[[rule]]
id = "all"
reply = [{{ text = "4" }}]

[[rule]]
when = {{ contains = "late" }}
reply = [{{ text = "5" }}]
"#
    );
    let (code, lines) = checked(&doubtful).await;
    assert_eq!(code, 0, "{lines:#?}");
    let [shadowed, unknown, late, count] = &lines[..] else { panic!("{lines:#?}") };
    for (line, said) in [
        (shadowed, "rule `wide` (all.toml:18) comes first"),
        (unknown, "there is no deployment called `NO_DEPLOYMENT`"),
        (late, "rule `all` (all.toml:31) comes first, which always does"),
    ] {
        assert!(line.contains("warning: ") && line.contains(said), "{said}: {line}");
    }
    assert_eq!(count, "no errors, 3 warnings");
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "all.toml", &doubtful);
    let server = Binary::start(&["--fixtures", folder.path().to_str().unwrap()]).await;
    let warned = server.stop().await.iter().filter(|line| line.contains("never answers")).count();
    assert_eq!(warned, 3, "the server says so, too, and serves");
}

// Health.

#[tokio::test]
async fn healthcheck_is_0_when_the_server_is_well_and_1_when_nobody_answers() {
    for host in ["127.0.0.1", "0.0.0.0"] {
        let server = Binary::start(&["--host", host]).await;
        let port = server.address.port().to_string();
        let by_flag = output(&["healthcheck", "--host", host, "--port", &port]).await;
        let mut by_variable = command(&["healthcheck"]);
        by_variable.env("MYNAH_HOST", host).env("MYNAH_PORT", &port);
        for check in [by_flag, process::output(&mut by_variable).await] {
            assert_eq!(check.status.code(), Some(0), "{}", text(&check.stderr));
            assert!(check.stdout.is_empty() && check.stderr.is_empty());
        }
        server.stop().await;
        let unwell = start_error(&output(&["healthcheck", "--host", host, "--port", &port]).await);
        assert!(unwell.starts_with(&format!("127.0.0.1:{port} is not healthy: ")), "{unwell}");
    }
}

#[tokio::test]
async fn healthcheck_is_1_when_someone_else_answers() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    tokio::spawn(async move {
        let (mut socket, _) = within("a request", other.accept()).await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let read = within("the whole request", socket.read_buf(&mut asked)).await.unwrap();
            assert!(read > 0, "the whole request");
        }
        socket.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    });
    let unwell = start_error(&output(&["healthcheck", "--port", &port]).await);
    assert!(unwell.ends_with("answers with status 404"), "{unwell}");
}

#[tokio::test]
async fn health_is_answered_without_a_key() {
    let server = Binary::start(&[]).await;
    let answer = server.client.get(server.url("/_mynah/health")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body, json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}));
}
