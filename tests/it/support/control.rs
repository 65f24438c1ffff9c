//! The control plane: `app.control().account("demo").reset()`.

use reqwest::Method;
use serde_json::{Value, json};

use super::{TestApp, TestRequest, TestResponse, client};

/// A client of the control plane.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    app: &'a TestApp,
}

/// The part of the control plane about one account.
#[derive(Clone, Copy)]
pub struct AccountControl<'a> {
    app: &'a TestApp,
    id: &'a str,
}

/// An account created at run time.
#[derive(Debug, Clone)]
pub struct NewAccount {
    pub id: String,
    pub key: String,
}

impl NewAccount {
    /// From the response to the creation of an account or a fork.
    #[track_caller]
    pub fn of(response: &TestResponse) -> Self {
        let created = response.created();
        let text = |field: &str| created[field].as_str().unwrap().to_owned();
        Self { id: text("id"), key: text("key") }
    }
}

impl TestApp {
    pub fn control(&self) -> Control<'_> {
        Control { app: self }
    }

    /// The control plane of the demo account.
    pub fn demo(&self) -> AccountControl<'_> {
        self.control().account("demo")
    }
}

impl<'a> Control<'a> {
    pub fn list_accounts(self) -> TestRequest<'a> {
        self.app.request(Method::GET, "/_mynah/accounts")
    }

    pub fn create_account(self, body: &Value) -> TestRequest<'a> {
        self.app.request(Method::POST, "/_mynah/accounts").json(body)
    }

    /// Creates an account with the defaults.
    pub async fn new_account(self) -> NewAccount {
        NewAccount::of(&self.create_account(&json!({})).await)
    }

    pub fn account(self, id: &'a str) -> AccountControl<'a> {
        AccountControl { app: self.app, id }
    }

    pub fn metrics(self) -> TestRequest<'a> {
        self.app.request(Method::GET, "/_mynah/metrics")
    }
}

impl<'a> AccountControl<'a> {
    /// A request below `/_mynah/accounts/{id}`.
    pub fn request(self, method: Method, path: &str) -> TestRequest<'a> {
        self.app.request(method, &format!("/_mynah/accounts/{}{path}", self.id))
    }

    fn get(self, path: &str) -> TestRequest<'a> {
        self.request(Method::GET, path)
    }

    fn post(self, path: &str, body: &Value) -> TestRequest<'a> {
        self.request(Method::POST, path).json(body)
    }

    fn put(self, path: &str, body: &Value) -> TestRequest<'a> {
        self.request(Method::PUT, path).json(body)
    }

    fn delete_at(self, path: &str) -> TestRequest<'a> {
        self.request(Method::DELETE, path)
    }

    pub fn show(self) -> TestRequest<'a> {
        self.get("")
    }

    pub fn update(self, changes: &Value) -> TestRequest<'a> {
        self.request(Method::PATCH, "").json(changes)
    }

    pub fn delete(self) -> TestRequest<'a> {
        self.delete_at("")
    }

    pub fn reset(self) -> TestRequest<'a> {
        self.post("/reset", &json!({}))
    }

    pub fn fork(self, body: &Value) -> TestRequest<'a> {
        self.post("/fork", body)
    }

    pub fn clock(self) -> TestRequest<'a> {
        self.get("/clock")
    }

    pub fn set_clock(self, body: &Value) -> TestRequest<'a> {
        self.put("/clock", body)
    }

    pub fn advance_clock(self, step: &Value) -> TestRequest<'a> {
        self.post("/clock/advance", step)
    }

    pub fn faults(self) -> TestRequest<'a> {
        self.get("/faults")
    }

    pub fn add_fault(self, rule: &Value) -> TestRequest<'a> {
        self.post("/faults", rule)
    }

    pub fn delete_fault(self, id: &str) -> TestRequest<'a> {
        self.delete_at(&format!("/faults/{id}"))
    }

    /// The account's triggers of the Runner API.
    pub fn triggers(self) -> TestRequest<'a> {
        self.get("/triggers")
    }

    /// The account's agent runs.
    pub fn runs(self) -> TestRequest<'a> {
        self.get("/runs")
    }

    pub fn resume_run(self, id: &str, body: &Value) -> TestRequest<'a> {
        self.post(&format!("/runs/{id}/resume"), body)
    }

    pub fn expire_trigger(self, id: &str) -> TestRequest<'a> {
        self.post(&format!("/triggers/{id}/expire"), &json!({}))
    }

    pub fn delete_faults(self) -> TestRequest<'a> {
        self.delete_at("/faults")
    }

    /// The account's reply rules and its queue of replies.
    pub fn replies(self) -> TestRequest<'a> {
        self.get("/replies")
    }

    /// Adds a reply rule; `query` is empty or begins with `?`.
    pub fn add_reply_rule(self, rule: &Value, query: &str) -> TestRequest<'a> {
        self.post(&format!("/replies{query}"), rule)
    }

    pub fn delete_reply_rule(self, id: &str) -> TestRequest<'a> {
        self.delete_at(&format!("/replies/{id}"))
    }

    pub fn replace_reply_rules(self, rules: &Value) -> TestRequest<'a> {
        self.put("/replies", rules)
    }

    /// Deletes the account's rules and its queue.
    pub fn delete_replies(self) -> TestRequest<'a> {
        self.delete_at("/replies")
    }

    /// Adds replies to the queue; `query` is empty or begins with `?`.
    pub fn queue_replies(self, replies: &Value, query: &str) -> TestRequest<'a> {
        self.post(&format!("/replies/queue{query}"), replies)
    }

    pub fn delete_queue(self) -> TestRequest<'a> {
        self.delete_at("/replies/queue")
    }

    /// The request log; `query` is empty or begins with `?`.
    pub fn requests(self, query: &str) -> TestRequest<'a> {
        self.get(&format!("/requests{query}"))
    }

    /// Waits for entries of the request log; `query` is empty or begins with `?`.
    pub fn wait_for_requests(self, query: &str) -> TestRequest<'a> {
        self.get(&format!("/requests/wait{query}"))
    }

    /// The live feed of the request log; `query` is empty or begins with `?`.
    pub async fn follow_requests(self, query: &str) -> reqwest::Response {
        let path = format!("/_mynah/accounts/{}/requests/stream{query}", self.id);
        client().get(self.app.url(&path)).send().await.unwrap()
    }

    pub fn delete_requests(self) -> TestRequest<'a> {
        self.delete_at("/requests")
    }

    /// The latest entry of the request log.
    pub async fn latest_request(self) -> Value {
        self.requests("?limit=1").await.good()["requests"][0].clone()
    }

    pub fn snapshot(self) -> TestRequest<'a> {
        self.get("/snapshot")
    }

    pub fn restore(self, snapshot: &Value) -> TestRequest<'a> {
        self.put("/snapshot", snapshot)
    }
}
