//! The report as JSON.

use serde_json::{Value, json};

use super::{Finding, Outcome, Report, Section};

impl Report {
    /// `{"summary", "facts", "sections"}`, as described in `docs/verify.md`.
    pub fn json(&self) -> Value {
        let (passed, failed, not_run) = self.counts();
        json!({
            "summary": {
                "held": passed,
                "failed": failed,
                "not_run": not_run,
                "requests": self.requests,
                "seconds": self.took.as_secs_f64(),
            },
            "facts": self.findings.iter().map(check_row).collect::<Vec<_>>(),
            "sections": self.sections().iter().map(section).collect::<Vec<_>>(),
        })
    }
}

fn check_row(finding: &Finding) -> Value {
    let Finding { check, outcome, requests, took } = finding;
    let source = check.source;
    let mut row = json!({
        "id": check.id,
        "title": check.title,
        "api": check.api().name(),
        "source": {
            "kind": source.kind.letter(),
            "document": source.document,
            "section": source.section,
        },
        "verdict": "holds",
        "requests": requests,
        "seconds": took.as_secs_f64(),
    });
    let more = match outcome {
        Outcome::Passed => json!({}),
        Outcome::Failed { request, expected, seen } => json!({
            "verdict": "fails", "request": request, "expected": expected, "seen": seen,
        }),
        Outcome::NotRun(reason) => json!({"verdict": "not_run", "reason": reason}),
    };
    if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
        row.extend(more);
    }
    row
}

fn section(row: &Section) -> Value {
    json!({
        "kind": row.kind.letter(),
        "document": row.document,
        "section": row.section,
        "held": row.passed,
        "run": row.run,
        "not_run": row.not_run,
    })
}
