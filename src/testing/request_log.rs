//! The request log of an account (docs/control.md, "Request log"): read, wait, assert.
//!
//! A request is in the log before its client has the end of the response, so a test that has it can
//! assert at once. For requests in the background there are waits.

use std::sync::Arc;
use std::time::Duration;

use super::pattern::CompiledPattern;
use super::{Account, ExpectationTimeout, LoggedExchange, RequestPattern};
use crate::app::AccountState;
use crate::app::request_log::Entry;
use crate::http::apis::control::{Differences, Report, documents};

/// The request log as a whole: [`Account::request_log`].
#[derive(Debug, Clone, Copy)]
pub struct AccountRequestLog<'a>(&'a AccountState);

impl AccountRequestLog<'_> {
    /// The number of the latest request, for [`RequestPattern::since`](super::RequestPattern::since); 0
    /// if there was none.
    pub fn last(&self) -> u64 {
        self.0.request_log.last()
    }

    /// How many requests were dropped for newer ones.
    pub fn dropped(&self) -> u64 {
        self.0.request_log.dropped()
    }

    /// Removes all entries; numbers continue.
    pub fn clear(&self) {
        self.0.request_log.clear();
    }
}

/// The requests in the log, and how many were dropped from it.
struct Received {
    requests: Vec<LoggedExchange>,
    dropped: u64,
}

impl Received {
    fn matching(&self, pattern: &CompiledPattern) -> Vec<LoggedExchange> {
        self.requests.iter().filter(|request| pattern.matches(request)).cloned().collect()
    }

    /// `head`, the conditions, the requests, and where the nearest one differs.
    fn failure(&self, head: &str, pattern: &CompiledPattern) -> String {
        let mut report = Report::default();
        for request in self.requests.iter().filter(|request| pattern.is_in_range(request)) {
            report.add(request.entry(), &pattern.differences(request));
        }
        format!("{head}\n{}", report.text(&pattern.described(), self.dropped))
    }
}

impl Account {
    /// The request log.
    pub fn request_log(&self) -> AccountRequestLog<'_> {
        AccountRequestLog(&self.state)
    }

    /// All requests, oldest first.
    pub fn requests(&self) -> Vec<LoggedExchange> {
        self.received().requests
    }

    /// The requests that match, oldest first.
    #[track_caller]
    pub fn requests_like(
        &self,
        like: impl FnOnce(RequestPattern) -> RequestPattern,
    ) -> Vec<LoggedExchange> {
        self.received().matching(&compiled(like))
    }

    /// All requests as text.
    pub fn report(&self) -> String {
        let Received { requests, dropped } = self.received();
        let mut report = Report::default();
        for request in &requests {
            report.add(request.entry(), &Differences::at_most(0));
        }
        report.received(dropped)
    }

    /// Waits until the log has `count` requests, including present ones, and returns them. The timeout
    /// is real time, independent of the account's clock.
    pub async fn wait_for(
        &self,
        count: usize,
        timeout: Duration,
    ) -> Result<Vec<LoggedExchange>, ExpectationTimeout> {
        self.wait_for_like(count, timeout, |any| any).await
    }

    /// Waits until the log has `count` matching requests, and returns them.
    pub async fn wait_for_like(
        &self,
        count: usize,
        timeout: Duration,
        like: impl FnOnce(RequestPattern) -> RequestPattern,
    ) -> Result<Vec<LoggedExchange>, ExpectationTimeout> {
        let pattern = like(RequestPattern::default()).compile();
        let pattern = pattern.map_err(|error| ExpectationTimeout(error.to_string()))?;
        let account = self.clone();
        let waiting = async move {
            let mut found = Vec::new();
            let collecting = account.collect(count, &pattern, &mut found);
            let timed_out = tokio::time::timeout(timeout, collecting).await.is_err();
            if found.len() >= count {
                return Ok(found);
            }
            let until =
                if timed_out { format!("within {timeout:?}") } else { "in time".to_owned() };
            let head =
                format!("{} of {count} requests came {until}, of {}", found.len(), account.id());
            Err(ExpectationTimeout(account.received().failure(&head, &pattern)))
        };
        self.server
            .wait(waiting)
            .await
            .unwrap_or_else(|error| Err(ExpectationTimeout(error.to_string())))
    }

    /// Collects matching requests until there are `count` or no more will come.
    async fn collect(
        &self,
        count: usize,
        pattern: &CompiledPattern,
        found: &mut Vec<LoggedExchange>,
    ) {
        let mut follower = self.state.request_log.follow(Some(0));
        while found.len() < count
            && let Some(update) = follower.next().await
        {
            if update.cleared {
                found.clear();
            }
            let added = requests(&self.state, update.entry.as_slice());
            found.extend(added.into_iter().filter(|request| pattern.matches(request)));
        }
    }

    /// Panics unless a matching request came; returns the first.
    ///
    /// The message lists the requests and the differences of the nearest one.
    #[track_caller]
    pub fn expect_request(
        &self,
        like: impl FnOnce(RequestPattern) -> RequestPattern,
    ) -> LoggedExchange {
        let (pattern, received) = (compiled(like), self.received());
        if let Some(request) = received.requests.iter().find(|request| pattern.matches(request)) {
            return request.clone();
        }
        let head = format!("no request was like this, of {}", self.id());
        fail(&received.failure(&head, &pattern))
    }

    /// Panics unless exactly `count` matching requests came; returns them.
    ///
    /// Also panics if the log has dropped requests, because these may have matched.
    #[track_caller]
    pub fn expect_request_count(
        &self,
        count: usize,
        like: impl FnOnce(RequestPattern) -> RequestPattern,
    ) -> Vec<LoggedExchange> {
        let (pattern, received) = (compiled(like), self.received());
        let (found, dropped) = (received.matching(&pattern), received.dropped);
        if found.len() == count && dropped == 0 {
            return found;
        }
        let reason = if found.len() == count {
            format!("{count} requests were like this, but {dropped} are no longer in the log")
        } else {
            format!("{} requests were like this, {count} were wanted", found.len())
        };
        fail(&received.failure(&format!("{reason}, of {}", self.id()), &pattern))
    }

    /// Panics if a matching request came; with `|any| any`, if any request came.
    #[track_caller]
    pub fn expect_no_request(&self, like: impl FnOnce(RequestPattern) -> RequestPattern) {
        self.expect_request_count(0, like);
    }

    fn received(&self) -> Received {
        let log = self.state.request_log.snapshot();
        Received { requests: requests(&self.state, &log.entries), dropped: log.dropped }
    }
}

fn requests(account: &AccountState, entries: &[Arc<Entry>]) -> Vec<LoggedExchange> {
    documents(account, entries).into_iter().map(LoggedExchange::new).collect()
}

#[track_caller]
fn compiled(like: impl FnOnce(RequestPattern) -> RequestPattern) -> CompiledPattern {
    match like(RequestPattern::default()).compile() {
        Ok(pattern) => pattern,
        Err(error) => fail(&error.to_string()),
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "assertions panic")]
fn fail(report: &str) -> ! {
    panic!("{report}")
}
