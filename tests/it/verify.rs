//! `mynah verify`: every fact holds of a Mynah, each fails of a server that breaks it, and what was
//! not asked is said to be so.

mod broken;
mod command;
mod meddler;
mod registry;

use std::net::SocketAddr;
use std::time::Duration;

use mynah::http::apis::runner::{ErrorStyle, MessageContent};
use mynah::ids::random_seed;
use mynah_verify::{
    Key, Keys, Limits, Outcome, Pattern, Report, RunOptions, Selection, Target, VerifyError, verify,
};
use url::Url;

use crate::support::TestApp;

/// Everything that a Mynah with its built-in fixtures offers.
fn target(address: SocketAddr) -> Target {
    let url = Url::parse(&format!("http://{address}")).unwrap();
    let key = |key: &str| Some(Key::new(key));
    let keys = Keys {
        own: key("YOUR_API_KEY"),
        second: key("other_api_key"),
        broke: key("broke_api_key"),
        limited: key("free_api_key"),
    };
    Target {
        runner: Some(url.clone()),
        characters: Some(url),
        runner_keys: keys.clone(),
        characters_keys: keys,
        deployment: Some("YOUR_DEPLOYMENT_ID".to_owned()),
        json_deployment: Some("JSON_DEPLOYMENT_ID".to_owned()),
        model: Some("model_abc123".to_owned()),
        sd_model: Some("sd_model_456abc".to_owned()),
        may_spend: true,
    }
}

fn run_options() -> RunOptions {
    RunOptions {
        run: format!("{:016x}", random_seed()),
        limits: Limits {
            max_requests: 500,
            pause: Duration::ZERO,
            timeout: Duration::from_secs(30),
            max_wait: Duration::ZERO,
        },
    }
}

fn with_choices() -> Selection {
    Selection { choices: true, ..Selection::default() }
}

fn only(pattern: &str) -> Selection {
    Selection { only: vec![Pattern::new(pattern).unwrap()], ..with_choices() }
}

async fn report(target: Target, selection: &Selection) -> Report {
    verify(target, selection, run_options(), |_| {}).await.unwrap()
}

/// The ids of what fails, with what was expected and seen.
fn failing(report: &Report) -> Vec<String> {
    let failing = report.findings.iter().filter_map(|finding| match &finding.outcome {
        Outcome::Failed { request, expected, seen } => {
            Some(format!("{}: {request}: {expected}: {seen}", finding.check.id))
        }
        _ => None,
    });
    failing.collect()
}

/// The ids of what fails.
fn failing_ids(report: &Report) -> Vec<&'static str> {
    let fails = |verdict: &Outcome| matches!(verdict, Outcome::Failed { .. });
    report.findings.iter().filter(|f| fails(&f.outcome)).map(|f| f.check.id).collect()
}

/// The reasons of what was not run, by id.
fn not_run(report: &Report) -> Vec<(&'static str, &str)> {
    let not_run = report.findings.iter().filter_map(|finding| match &finding.outcome {
        Outcome::NotRun(reason) => Some((finding.check.id, reason.as_str())),
        _ => None,
    });
    not_run.collect()
}

#[tokio::test]
async fn every_fact_holds_of_a_fresh_mynah() {
    let app = TestApp::start().await;
    let report = report(target(app.address), &with_choices()).await;
    assert_eq!(failing(&report), Vec::<String>::new());
    assert_eq!(not_run(&report), []);
    assert_eq!(report.counts(), (mynah_verify::checks().count(), 0, 0));
    assert_eq!(report.exit_code(), 0);
    let held: usize = report.sections().iter().map(|section| section.held).sum();
    assert_eq!(held, report.findings.len());
}

#[tokio::test]
async fn two_runs_do_not_disturb_each_other() {
    let app = TestApp::start().await;
    let runner = || Target { characters: None, ..target(app.address) };
    let with_run = |run: &str| RunOptions { run: run.to_owned(), ..run_options() };
    let choices = with_choices();
    let (one, other) = tokio::join!(
        verify(runner(), &choices, with_run("one"), |_| {}),
        verify(runner(), &choices, with_run("other"), |_| {}),
    );
    for report in [one.unwrap(), other.unwrap()] {
        assert_eq!(failing(&report), Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_the_documents_leave_open_fails_nobody_without_choices() {
    let app = TestApp::with(|config| {
        config.runner.errors = ErrorStyle::FastApi;
        config.runner.message_content = MessageContent::Parts;
    })
    .await;
    let runner = || Target { characters: None, ..target(app.address) };
    let documented = report(runner(), &Selection::default()).await;
    assert_eq!(failing(&documented), Vec::<String>::new());
    assert!(documented.findings.iter().all(|finding| !finding.check.is_choice()));
    let all = report(runner(), &with_choices()).await;
    let chosen = [
        "runner.conversation.history_limit_range",
        "runner.conversation.other_deployment",
        "runner.messages.page_range",
        "runner.errors.codes",
    ];
    assert_eq!(failing_ids(&all), chosen);
}

#[tokio::test]
async fn what_the_target_does_not_offer_is_not_run_and_the_reason_said() {
    let app = TestApp::start().await;
    let nothing = Target {
        runner_keys: Keys::default(),
        characters_keys: Keys::default(),
        json_deployment: None,
        ..target(app.address)
    };
    let keyless = report(nothing, &with_choices()).await;
    assert_eq!(failing(&keyless), Vec::<String>::new());
    let reason = |id: &str| not_run(&keyless).iter().find(|row| row.0 == id).unwrap().1.to_owned();
    assert_eq!(reason("runner.run.answer"), "there is no key (--key, --characters-key)");
    assert!(reason("characters.balance.insufficient").contains("--broke-key"));
    assert!(reason("characters.limits.enforced").contains("--limited-key"));
    let held = keyless.findings.iter().filter(|f| f.outcome == Outcome::Passed).map(|f| f.check.id);
    let held: Vec<&str> = held.collect();
    assert!(held.contains(&"runner.key.missing") && held.contains(&"characters.wire.preflight"));
    let spare = Target { may_spend: false, ..target(app.address) };
    let spare = report(spare, &with_choices()).await;
    assert_eq!(failing(&spare), Vec::<String>::new());
    assert!(not_run(&spare).iter().all(|(_, reason)| reason.contains("--no-spend")));
    let money = app.request(reqwest::Method::GET, "/_mynah/accounts/demo").await.good();
    assert_eq!(money["balance"], "1000000", "nothing was spent");
}

#[tokio::test]
async fn the_budget_is_kept_and_what_it_does_not_cover_is_not_run() {
    let app = TestApp::start().await;
    let limits = Limits { max_requests: 10, ..run_options().limits };
    let run_options = RunOptions { limits, ..run_options() };
    let report = verify(target(app.address), &with_choices(), run_options, |_| {}).await.unwrap();
    assert_eq!(report.requests, 10);
    assert_eq!(failing(&report), Vec::<String>::new());
    let (held, _, left) = report.counts();
    assert!(held > 0 && left > 50, "{held} hold, {left} are not run");
    let reasons = not_run(&report);
    let spent = "the budget of 10 requests is spent (--max-requests)";
    assert!(reasons.iter().all(|(_, reason)| reason.contains(spent)), "{reasons:?}");
}

#[tokio::test]
async fn a_selection_runs_what_it_names() {
    let app = TestApp::start().await;
    let streams = report(target(app.address), &only("runner.stream")).await;
    assert!(streams.findings.len() > 3);
    assert!(streams.findings.iter().all(|f| f.check.id.starts_with("runner.stream.")));
    assert_eq!(streams.counts().0, streams.findings.len());
    let paging = report(target(app.address), &only("runner.*.paging")).await;
    let ids: Vec<&str> = paging.findings.iter().map(|finding| finding.check.id).collect();
    assert_eq!(ids, ["runner.messages.paging", "runner.list.paging"]);
    let none = verify(target(app.address), &only("poems"), run_options(), |_| {}).await;
    assert!(matches!(none, Err(VerifyError::NothingSelected)));
}
