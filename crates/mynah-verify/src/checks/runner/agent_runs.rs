//! Agent runs: started, resumed with results of tools, refused.

use serde_json::{Value, json};

use super::refusals::invalid;
use super::set;
use crate::check::{Check, choice, newest_sdk};
use crate::context::{TestContext, text_body};
use crate::expect::{CheckFailure, Response};
use crate::need::Need;

const LEDGER: &str = "Runner API: agent runs";
/// The tool that the checks offer.
const TOOL: &str = "get_weather";
/// Needs of a check in which a run waits for the client.
pub(super) const CALLED: &[Need] = &[Need::Key, Need::AgentDeployment, Need::Spending];
/// Needs of a check in which no run is started.
const REFUSED: &[Need] = &[Need::Key, Need::AgentDeployment];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "runner.agent_run.start",
        title: "a run that needs a tool of the client waits, and names the call",
        source: newest_sdk("agent.start"),
        needs: CALLED,
        run: |context| Box::pin(start(context)),
    },
    Check {
        id: "runner.agent_run.resume",
        title: "the results of tools resume the run",
        source: newest_sdk("tool_results"),
        needs: CALLED,
        run: |context| Box::pin(resume(context)),
    },
    Check {
        id: "runner.agent_run.repeat",
        title: "the same results get the same answer again",
        source: choice(LEDGER),
        needs: CALLED,
        run: |context| Box::pin(repeat(context)),
    },
    Check {
        id: "runner.agent_run.conflict",
        title: "other results of resolved calls are 409",
        source: choice(LEDGER),
        needs: CALLED,
        run: |context| Box::pin(conflict(context)),
    },
    Check {
        id: "runner.agent_run.message",
        title: "a message while a run waits is 409",
        source: choice(LEDGER),
        needs: CALLED,
        run: |context| Box::pin(message(context)),
    },
    Check {
        id: "runner.agent_run.results",
        title: "missing, unknown and repeated results are refused",
        source: choice(LEDGER),
        needs: CALLED,
        run: |context| Box::pin(wrong_results(context)),
    },
    Check {
        id: "runner.agent_run.variables_on_continuation",
        title: "variables with a conversation_id are refused",
        source: choice(LEDGER),
        needs: CALLED,
        run: |context| Box::pin(variables_on_continuation(context)),
    },
    Check {
        id: "runner.agent_run.content",
        title: "empty content without a trigger is refused",
        source: choice(LEDGER),
        needs: REFUSED,
        run: |context| Box::pin(empty_content(context)),
    },
    Check {
        id: "runner.agent_run.codes",
        title: "refusals of agent runs have codes of their own",
        source: choice(LEDGER),
        needs: CALLED,
        run: |context| Box::pin(codes(context)),
    },
];

impl TestContext {
    /// A request to the deployment that calls tools.
    async fn ask_agent(&self, body: &Value) -> Result<Response, CheckFailure> {
        let path = format!("/{}/conversation", self.agent_deployment());
        self.post_v2(&path, body).await
    }

    /// The response that started a run which is never resumed.
    pub(super) async fn waiting(&self) -> Result<Response, CheckFailure> {
        let make = async || self.ask_agent(&question()).await;
        self.shared.waiting.get_or_init(make).await.clone()
    }

    /// The response that started the run which [`Self::resumed`] resumes.
    pub(super) async fn called(&self) -> Result<Response, CheckFailure> {
        let make = async || self.ask_agent(&question()).await;
        self.shared.called.get_or_init(make).await.clone()
    }

    /// The response that resumed a run.
    pub(super) async fn resumed(&self) -> Result<Response, CheckFailure> {
        let body = results(&self.called().await?, "clear").map_err(CheckFailure::into_blocked)?;
        let make = async || self.ask_agent(&body).await;
        self.shared.resumed.get_or_init(make).await.clone()
    }
}

/// A first message for which the model needs a tool.
fn question() -> Value {
    let mut body = text_body("What is the weather in Oslo?");
    set(&mut body, "client_capabilities", json!([TOOL]));
    body
}

/// The body that resumes the run of `called` with the same output for each call.
fn results(called: &Response, sky: &str) -> Result<Value, CheckFailure> {
    let called = called.ok_json()?;
    let conversation = called.non_empty_text("/conversation_id")?;
    let calls = 0..called.list("/client_tool_calls")?.len();
    let id = |call| called.non_empty_text(&format!("/client_tool_calls/{call}/call_id"));
    let results: Result<Vec<Value>, _> =
        calls.map(|call| Ok(json!({"call_id": id(call)?, "output": {"sky": sky}}))).collect();
    called.check(!called.list("/client_tool_calls")?.is_empty(), "a call of a tool")?;
    Ok(json!({"conversation_id": conversation, "tool_results": results?}))
}

/// A message to the conversation whose run waits.
async fn early_message(context: &TestContext) -> Result<Value, CheckFailure> {
    let waiting = context.waiting().await.map_err(CheckFailure::into_blocked)?;
    results(&waiting, "clear").map_err(CheckFailure::into_blocked)?;
    let id = waiting.json()?.non_empty_text("/conversation_id")?.to_owned();
    let mut body = text_body("Hello?");
    set(&mut body, "conversation_id", json!(id));
    Ok(body)
}

/// Results for the run that waits.
async fn waiting_results(context: &TestContext) -> Result<Value, CheckFailure> {
    let waiting = context.waiting().await.map_err(CheckFailure::into_blocked)?;
    results(&waiting, "clear").map_err(CheckFailure::into_blocked)
}

/// Results other than those with which the run was resumed.
async fn other_results(context: &TestContext) -> Result<Value, CheckFailure> {
    let resumed = context.resumed().await.map_err(CheckFailure::into_blocked)?;
    resumed.status(&[200]).map_err(CheckFailure::into_blocked)?;
    results(&context.called().await?, "dark").map_err(CheckFailure::into_blocked)
}

async fn start(context: &TestContext) -> Result<(), CheckFailure> {
    let waiting = context.waiting().await?;
    results(&waiting, "clear")?;
    let body = waiting.json()?;
    body.is("/run_status", &json!("waiting_for_client_action"))?;
    body.is("/client_tool_calls/0/name", &json!(TOOL))?;
    let arguments = body.at("/client_tool_calls/0/arguments")?;
    body.check(arguments.is_object(), "arguments as an object")
}

async fn resume(context: &TestContext) -> Result<(), CheckFailure> {
    let resumed = context.resumed().await?;
    let body = resumed.ok_json()?;
    let called = context.called().await?;
    let called = called.json()?;
    for field in ["/conversation_id", "/run_id"] {
        body.is(field, called.value.pointer(field).unwrap_or(&Value::Null))?;
    }
    match body.text("/run_status")? {
        "completed" => body.at("/content").map(|_| ()),
        "waiting_for_client_action" => {
            let call = "/client_tool_calls/0/call_id";
            body.check(called.text(call)? != body.text(call)?, "another call")
        }
        _ => body.text("/run_status").map(|_| ()),
    }
}

async fn repeat(context: &TestContext) -> Result<(), CheckFailure> {
    let first = context.resumed().await.map_err(CheckFailure::into_blocked)?;
    let first = first.ok_json().map_err(CheckFailure::into_blocked)?;
    let again = context.ask_agent(&results(&context.called().await?, "clear")?).await?;
    let again = again.ok_json()?;
    for field in ["/run_id", "/run_status", "/content", "/client_tool_calls"] {
        let same = again.value.pointer(field) == first.value.pointer(field);
        again.check(same, format!("the same {field} as before"))?;
    }
    Ok(())
}

async fn conflict(context: &TestContext) -> Result<(), CheckFailure> {
    let body = other_results(context).await?;
    context.ask_agent(&body).await?.status(&[409]).map(|_| ())
}

async fn message(context: &TestContext) -> Result<(), CheckFailure> {
    let body = early_message(context).await?;
    context.ask_agent(&body).await?.status(&[409]).map(|_| ())
}

async fn wrong_results(context: &TestContext) -> Result<(), CheckFailure> {
    let good = waiting_results(context).await?;
    let first = good.pointer("/tool_results/0").unwrap_or(&Value::Null);
    let unknown = json!({"call_id": format!("no-such-call-{}", context.run), "output": {}});
    for results in [json!([]), json!([unknown]), json!([first, first])] {
        let mut body = good.clone();
        set(&mut body, "tool_results", results);
        invalid(&context.ask_agent(&body).await?)?;
    }
    Ok(())
}

async fn variables_on_continuation(context: &TestContext) -> Result<(), CheckFailure> {
    let mut body = early_message(context).await?;
    set(&mut body, "variables", json!({"CITY": "Oslo"}));
    invalid(&context.ask_agent(&body).await?)
}

async fn empty_content(context: &TestContext) -> Result<(), CheckFailure> {
    let body = json!({"content": [], "client_capabilities": [TOOL]});
    invalid(&context.ask_agent(&body).await?)
}

async fn codes(context: &TestContext) -> Result<(), CheckFailure> {
    let early = early_message(context).await?;
    let mut variables = early.clone();
    set(&mut variables, "variables", json!({"CITY": "Oslo"}));
    for (body, code) in [
        (early, "client_action_required"),
        (variables, "not_allowed"),
        (other_results(context).await?, "tool_results_conflict"),
        (json!({"content": []}), "empty_array"),
    ] {
        context.ask_agent(&body).await?.json()?.is("/error/code", &json!(code))?;
    }
    Ok(())
}
