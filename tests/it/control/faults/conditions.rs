//! Which requests meet a fault.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{FAULTS, MESSAGES, RUN, STREAM, add_fault, delete_faults, get, hi, post, statuses};
use crate::support::{DEPLOYMENT, ECHO, JSON, TestApp, text_body};

#[tokio::test]
async fn a_fault_is_for_one_api_if_it_says_so() {
    let app = TestApp::start().await;
    add_fault(&app, json!({"when": {"api": "runner"}, "effect": {"status": 503}})).await;
    assert_eq!(get(&app, "/v1/runner/conversations").await.status, 503);
    assert_eq!(get(&app, "/api/v1/agents").await.status, 200);
    delete_faults(&app).await;
    add_fault(&app, json!({"when": {"api": "characters"}, "effect": {"status": 503}})).await;
    assert_eq!(get(&app, "/v1/runner/conversations").await.status, 200);
    assert_eq!(get(&app, "/api/v1/agents").await.status, 503);
}

#[tokio::test]
async fn a_fault_is_for_one_route_open_or_filled() {
    let app = TestApp::start().await;
    let run = |deployment: &str| format!("/v1/runner/{deployment}");
    for (route, met, spared) in [
        ("/v1/runner/{deployment_id}", vec![run(DEPLOYMENT), run(ECHO)], vec![STREAM.to_owned()]),
        (&run(ECHO), vec![run(ECHO)], vec![run(DEPLOYMENT), run(JSON)]),
        (
            "/api/v1/conversations/{id}/messages",
            vec![MESSAGES.to_owned()],
            vec![run(ECHO), "/api/v1/conversations".to_owned()],
        ),
        (MESSAGES, vec![MESSAGES.to_owned()], vec![MESSAGES.replace("123", "456")]),
    ] {
        add_fault(&app, json!({"when": {"route": route}, "effect": {"status": 503}})).await;
        for path in met {
            assert_eq!(post(&app, &path, &hi()).await.status, 503, "{route} {path}");
        }
        for path in spared {
            assert_ne!(post(&app, &path, &hi()).await.status, 503, "{route} {path}");
        }
        delete_faults(&app).await;
    }
}

#[tokio::test]
async fn a_condition_that_no_request_can_meet_is_refused_by_its_name() {
    let app = TestApp::start().await;
    for (when, field, said) in [
        (
            json!({"route": "/v1/runner/{deployment_id}/streams"}),
            "when.route",
            "closest: /v1/runner/{deployment_id}/stream, ",
        ),
        (
            json!({"route": "/v1/runner/{deployment_id}/"}),
            "when.route",
            "/v1/runner/{deployment_id}",
        ),
        (json!({"route": "/api/v1/conversation"}), "when.route", "/api/v1/conversations"),
        (json!({"route": "/v1/runner/"}), "when.route", "closest: "),
        (json!({"route": "/v1/runner/conversations?page=1"}), "when.route", "closest: "),
        (json!({"route": "/images/{file}"}), "when.route", "closest: "),
        (json!({"route": "/_mynah/accounts"}), "when.route", "closest: "),
        (
            json!({"route": "/v1/runner/conversations", "method": "POST"}),
            "when.method",
            "the route /v1/runner/conversations does not answer to",
        ),
        (json!({"route": "/api/v1/models", "method": "POST"}), "when.method", "does not answer"),
        (json!({"method": "PATCH"}), "when.method", "GET or POST"),
        (json!({"api": "characters", "route": RUN}), "when.route", "of the runner API"),
        (json!({"api": "runner", "route": MESSAGES}), "when.route", "of the characters API"),
    ] {
        let rule = json!({"when": when, "effect": {"status": 503}});
        let refused = app.request(Method::POST, FAULTS).json(&rule).await;
        let error = refused.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(refused.status, 400, "{when}");
        assert!(error.starts_with(field) && error.contains(said), "{when}: {error}");
    }
    let streams = json!({"when": {"method": "GET"}, "effect": {"break_after": 1}});
    let refused = app.request(Method::POST, FAULTS).json(&streams).await;
    assert_eq!(refused.status, 400, "no stream is asked for by GET");
    assert_eq!(app.request(Method::GET, FAULTS).await.good(), json!([]));
}

#[tokio::test]
async fn a_route_is_met_whichever_way_the_client_encodes_it() {
    let app = TestApp::start().await;
    let ways = [RUN, "/v1/runner/YOUR%5FDEPLOYMENT_ID", "/v1/runner/%59OUR%5fDEPLOYMENT%5FID"];
    for written in ways {
        add_fault(&app, json!({"when": {"route": written}, "effect": {"status": 503}})).await;
        for sent in ways {
            assert_eq!(post(&app, sent, &text_body("Hi")).await.status, 503, "{written} {sent}");
        }
        assert_eq!(
            post(&app, "/v1/runner/ECHO%5FDEPLOYMENT_ID", &text_body("Hi")).await.status,
            200
        );
        delete_faults(&app).await;
    }
}

#[tokio::test]
async fn a_fault_is_for_one_method() {
    let app = TestApp::start().await;
    add_fault(&app, json!({"when": {"method": "POST"}, "effect": {"status": 503}})).await;
    assert_eq!(get(&app, MESSAGES).await.status, 200);
    assert_eq!(post(&app, MESSAGES, &hi()).await.status, 503);
    assert_eq!(post(&app, RUN, &text_body("Hi")).await.status, 503);
    assert_eq!(get(&app, "/v1/runner/conversations").await.status, 200);
}

#[tokio::test]
async fn a_fault_comes_first_n_times_at_the_nth_request_or_every_so_many() {
    let app = TestApp::start().await;
    for (when, times, expected) in [
        (json!({}), Some(2), [503, 503, 200, 200, 200, 200]),
        (json!({"nth": 3}), None, [200, 200, 503, 200, 200, 200]),
        (json!({"every": 2}), None, [200, 503, 200, 503, 200, 503]),
        (json!({"nth": 3, "every": 2}), None, [200, 200, 503, 200, 503, 200]),
        (json!({"every": 2}), Some(1), [200, 503, 200, 200, 200, 200]),
    ] {
        let mut rule = json!({"when": when, "effect": {"status": 503}});
        if let Some(times) = times {
            rule["times"] = json!(times);
        }
        add_fault(&app, rule).await;
        assert_eq!(statuses(&app, 6).await, expected, "{when}");
        delete_faults(&app).await;
    }
}

#[tokio::test]
async fn only_requests_that_a_fault_is_for_are_counted() {
    let app = TestApp::start().await;
    let route = "/api/v1/conversations/{id}/messages";
    add_fault(&app, json!({"when": {"route": route, "nth": 2}, "effect": {"status": 503}})).await;
    for (path, status) in [(MESSAGES, 200), ("/api/v1/agents", 200), (MESSAGES, 503)] {
        assert_eq!(get(&app, path).await.status, status);
    }
}

#[tokio::test]
async fn a_stream_fault_waits_for_a_stream() {
    let app = TestApp::start().await;
    add_fault(&app, json!({"times": 1, "effect": {"end_after": 1}})).await;
    assert_eq!(app.runner().run(ECHO, "one two").await.good()["content"], "one two");
    assert_eq!(app.runner().stream(ECHO, "one two").await, ["one "]);
    assert_eq!(app.runner().stream(ECHO, "one two").await, ["one ", "two"]);
}

#[tokio::test]
async fn random_choices_depend_on_the_seed() {
    let mut seen = Vec::new();
    for seed in [1, 1, 2] {
        let app = TestApp::with(|config| config.seed = seed).await;
        add_fault(&app, json!({"when": {"probability": 0.5}, "effect": {"status": 503}})).await;
        seen.push(statuses(&app, 40).await);
        delete_faults(&app).await;
        for (probability, status) in [(0.0, 200), (1.0, 503)] {
            let when = json!({ "probability": probability });
            add_fault(&app, json!({"when": when, "effect": {"status": 503}})).await;
            assert_eq!(statuses(&app, 5).await, [status; 5]);
            delete_faults(&app).await;
        }
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], seen[2]);
    for statuses in seen {
        let met = statuses.iter().filter(|status| **status == 503).count();
        assert!((8..=32).contains(&met), "{met} of 40");
    }
}

#[tokio::test]
async fn the_clock_of_the_account_drives_faults_in_bursts() {
    let app = TestApp::start().await;
    add_fault(&app, json!({"when": {"burst": {"every": 30, "for": 5}}, "effect": {"status": 503}}))
        .await;
    let clock = app.clock("demo");
    for (step, status) in [(0, 503), (4, 503), (1, 200), (24, 200), (1, 503), (5, 200), (85, 503)] {
        clock.advance(Duration::from_secs(step));
        assert_eq!(statuses(&app, 2).await, [status; 2], "{step} seconds on");
    }
}

#[tokio::test]
async fn the_first_fault_that_fires_is_met_and_all_of_them_count() {
    let app = TestApp::start().await;
    add_fault(&app, json!({"times": 1, "effect": {"status": 500}})).await;
    add_fault(&app, json!({"when": {"nth": 2}, "effect": {"status": 502}})).await;
    add_fault(&app, json!({"times": 1, "effect": {"status": 504}})).await;
    assert_eq!(statuses(&app, 4).await, [500, 502, 504, 200]);
    let all = app.request(Method::GET, FAULTS).await.good();
    let counts: Vec<_> =
        all.as_array().unwrap().iter().map(|rule| (&rule["matched"], &rule["fired"])).collect();
    assert_eq!(counts, [(&json!(4), &json!(1)); 3]);
}
