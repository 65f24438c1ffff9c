//! The control plane: JSON over HTTP, per account, in no API's document (docs/control.md).

mod accounts;
mod auth;
mod body;
mod clock;
mod error;
mod faults;
mod metrics;
mod replies;
mod request_log;
mod runs;
mod snapshots;
mod triggers;

pub use self::auth::ControlAccess;
pub(crate) use self::auth::guard;
pub(crate) use self::error::rendered;
pub(crate) use self::request_log::{
    Differences, EntryPattern, MOST_DIFFERENCES, Place, Report, documents, headline, number, text,
};
use crate::http::Shared;
use crate::http::routes::{Routes, delete, get, post};

pub(crate) fn routes() -> Routes<Shared> {
    Routes::new()
        .route("/_mynah/metrics", get(metrics::get_metrics))
        .route("/_mynah/accounts", get(accounts::list_accounts).post(accounts::create_account))
        .route(
            "/_mynah/accounts/{id}",
            get(accounts::get_account)
                .patch(accounts::update_account)
                .delete(accounts::delete_account),
        )
        .route("/_mynah/accounts/{id}/reset", post(accounts::reset_account))
        .route("/_mynah/accounts/{id}/clock", get(clock::get_clock).put(clock::set_clock))
        .route("/_mynah/accounts/{id}/clock/advance", post(clock::advance_clock))
        .route(
            "/_mynah/accounts/{id}/requests",
            get(request_log::list_requests).delete(request_log::clear_requests),
        )
        .route("/_mynah/accounts/{id}/requests/wait", get(request_log::wait_for_requests))
        .route("/_mynah/accounts/{id}/requests/stream", get(request_log::stream_requests))
        .route(
            "/_mynah/accounts/{id}/snapshot",
            get(snapshots::take_snapshot).put(snapshots::restore_snapshot),
        )
        .route("/_mynah/accounts/{id}/fork", post(snapshots::fork_account))
        .route(
            "/_mynah/accounts/{id}/replies",
            get(replies::list_replies)
                .post(replies::add_replies)
                .put(replies::replace_replies)
                .delete(replies::clear_replies),
        )
        .route(
            "/_mynah/accounts/{id}/replies/queue",
            post(replies::enqueue_reply).delete(replies::clear_queue),
        )
        .route("/_mynah/accounts/{id}/replies/{rule}", delete(replies::delete_reply))
        .route(
            "/_mynah/accounts/{id}/faults",
            get(faults::list_faults).post(faults::add_fault).delete(faults::clear_faults),
        )
        .route("/_mynah/accounts/{id}/faults/{fault_id}", delete(faults::delete_fault))
        .route("/_mynah/accounts/{id}/runs", get(runs::list_runs))
        .route("/_mynah/accounts/{id}/runs/{run_id}/resume", post(runs::resume_run))
        .route("/_mynah/accounts/{id}/triggers", get(triggers::list_triggers))
        .route("/_mynah/accounts/{id}/triggers/{trigger_id}/expire", post(triggers::expire_trigger))
        .guarded()
}
