//! The request log of an account (docs/control.md, "Request log"): read, wait, assert.
//!
//! A request is in the log before its client has the end of the response, so a test that has it can
//! assert at once. For requests in the background there are waits.

use std::time::Duration;

use super::report::failure;
use super::report::journal;
use super::{Account, ExpectationTimeout, LoggedExchange, RequestPattern};
use crate::app::AccountState;
use crate::http::apis::control::documents;

/// The request log as a whole: [`Account::journal`].
#[derive(Debug, Clone, Copy)]
pub struct Requests<'a>(&'a AccountState);

impl Requests<'_> {
    /// The number of the latest request, for [`RequestPattern::since`](super::RequestPattern::since); 0
    /// if there was none.
    pub fn last(&self) -> u64 {
        self.0.request_log.snapshot().last
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

impl Account {
    /// The request log.
    pub fn journal(&self) -> Requests<'_> {
        Requests(&self.state)
    }

    /// All requests, oldest first.
    pub fn requests(&self) -> Vec<LoggedExchange> {
        self.came().0
    }

    /// The requests that match, oldest first.
    pub fn requests_like(
        &self,
        like: impl FnOnce(RequestPattern) -> RequestPattern,
    ) -> Vec<LoggedExchange> {
        let like = like(RequestPattern::default());
        let (mut came, _) = self.came();
        came.retain(|request| like.takes(request));
        came
    }

    /// All requests as text.
    pub fn report(&self) -> String {
        let (came, dropped) = self.came();
        journal(&came, dropped)
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
        let like = like(RequestPattern::default());
        let account = self.clone();
        let waiting = async move {
            let mut found = Vec::new();
            let enough = account.collect(count, &like, &mut found);
            let late = tokio::time::timeout(timeout, enough).await.is_err();
            if found.len() >= count {
                return Ok(found);
            }
            let until = if late { format!("within {timeout:?}") } else { "in time".to_owned() };
            let head =
                format!("{} of {count} requests came {until}, of {}", found.len(), account.id());
            let (came, dropped) = account.came();
            Err(ExpectationTimeout(failure(&head, &like, &came, dropped)))
        };
        self.core
            .wait(waiting)
            .await
            .unwrap_or_else(|error| Err(ExpectationTimeout(error.to_string())))
    }

    /// Collects matching requests until there are `count` or no more will come.
    async fn collect(&self, count: usize, like: &RequestPattern, found: &mut Vec<LoggedExchange>) {
        let mut follower = self.state.request_log.follow(Some(0));
        while found.len() < count
            && let Some(news) = follower.next().await
        {
            if news.cleared {
                found.clear();
            }
            let came = requests(&self.state, news.entry.as_slice());
            found.extend(came.into_iter().filter(|request| like.takes(request)));
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
        let like = like(RequestPattern::default());
        let (came, dropped) = self.came();
        match came.iter().find(|request| like.takes(request)) {
            Some(request) => request.clone(),
            None => fail(&failure(
                &format!("no request was like this, of {}", self.id()),
                &like,
                &came,
                dropped,
            )),
        }
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
        let like = like(RequestPattern::default());
        let (came, dropped) = self.came();
        let found: Vec<LoggedExchange> =
            came.iter().filter(|request| like.takes(request)).cloned().collect();
        if found.len() == count && dropped == 0 {
            return found;
        }
        let were = if found.len() == count {
            format!("{count} requests were like this, but {dropped} are no longer in the journal")
        } else {
            format!("{} requests were like this, {count} were wanted", found.len())
        };
        fail(&failure(&format!("{were}, of {}", self.id()), &like, &came, dropped))
    }

    /// Panics if a matching request came; with `|any| any`, if any request came.
    #[track_caller]
    pub fn expect_no_request(&self, like: impl FnOnce(RequestPattern) -> RequestPattern) {
        self.expect_request_count(0, like);
    }

    /// The requests, and how many were dropped.
    fn came(&self) -> (Vec<LoggedExchange>, u64) {
        let look = self.state.request_log.snapshot();
        (requests(&self.state, &look.entries), look.dropped)
    }
}

fn requests(
    account: &AccountState,
    entries: &[std::sync::Arc<crate::app::request_log::Entry>],
) -> Vec<LoggedExchange> {
    documents(account, entries).into_iter().map(LoggedExchange::new).collect()
}

#[track_caller]
#[expect(clippy::panic, reason = "an assertion of a test fails as assertions do")]
fn fail(report: &str) -> ! {
    panic!("{report}")
}
