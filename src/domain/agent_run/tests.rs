use serde_json::json;

use super::*;

fn call(id: &str) -> ToolCall {
    ToolCall { call_id: id.into(), ordinal: 1, name: "get_weather".into(), arguments: Map::new() }
}

fn result(id: &str, value: u64) -> ToolResult {
    let output = json!({"value": value}).as_object().unwrap().clone();
    ToolResult { call_id: id.into(), output }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn step(status: RunStatus) -> RunStep {
    RunStep {
        run_id: "run_1".into(),
        run: 1,
        step: 0,
        at: at(0),
        status,
        capabilities: Vec::new(),
        results: vec![result("a", 1), result("b", 2)],
        calls: vec![call("c")],
        answer: None,
        due: Some(at(10)),
        pending_answer: Some("later".into()),
        completes: false,
        progress: Vec::new(),
        messages: 1,
        input_tokens: 3,
        output_tokens: 4,
    }
}

#[test]
fn results_are_brought_into_the_order_of_the_calls() {
    let pending = [call("a"), call("b")];
    let resolved = match_results(&pending, &[result("b", 2), result("a", 1)]).unwrap();
    let ids: Vec<_> = resolved.iter().map(|resolved| resolved.call.call_id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(resolved[1].output["value"], 2);
}

#[test]
fn each_pending_call_needs_exactly_one_result_and_others_are_refused() {
    let pending = [call("a"), call("b")];
    let mismatch = |results: &[ToolResult]| match_results(&pending, results).unwrap_err();
    assert_eq!(mismatch(&[result("a", 1)]), ResultsMismatch::Missing("b".into()));
    assert_eq!(mismatch(&[result("a", 1), result("c", 1)]), ResultsMismatch::NotPending(1));
    assert_eq!(mismatch(&[result("a", 1), result("a", 1)]), ResultsMismatch::Repeated(1));
}

#[test]
fn the_same_results_are_recognised_in_any_order() {
    let step = step(RunStatus::Completed);
    assert!(step.answers(&[result("b", 2), result("a", 1)]));
    assert!(!step.answers(&[result("b", 3), result("a", 1)]));
    assert!(!step.answers(&[result("a", 1)]));
}

#[test]
fn a_run_that_waits_expires_at_its_time() {
    let waiting = step(RunStatus::WaitingForClientAction);
    assert_eq!(waiting.status_at(at(9)), RunStatus::WaitingForClientAction);
    assert_eq!(waiting.after_due(at(9)), None);
    let expired = waiting.after_due(at(11)).unwrap();
    assert_eq!((expired.status, expired.at, expired.step), (RunStatus::Expired, at(10), 1));
    assert_eq!((expired.calls.len(), expired.due, expired.messages), (0, None, 1));
    assert_eq!(expired.progress.last().unwrap().kind, "expired");
}

#[test]
fn a_run_in_the_background_ends_with_its_answer_at_its_time() {
    let running = step(RunStatus::Running);
    let ended = running.after_due(at(10)).unwrap();
    assert_eq!((ended.status, ended.at), (RunStatus::Completed, at(10)));
    assert_eq!((ended.answer.as_deref(), ended.messages), (Some("later"), 2));
    assert_eq!(ended.after_due(at(20)), None);
}

#[test]
fn progress_and_its_summaries_are_bounded() {
    let entries = (0..150).map(|number| ProgressEntry::new("message", &number.to_string()));
    let step = step(RunStatus::Completed).with_progress(entries);
    assert_eq!(step.progress.len(), 100);
    assert_eq!(step.progress.last().unwrap().summary, "149");
    let long = ProgressEntry::new("message", &"é".repeat(500));
    assert_eq!(long.summary.chars().count(), 200);
    assert!(long.summary.ends_with('…'));
}
