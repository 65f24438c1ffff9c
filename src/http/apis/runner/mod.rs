//! The Runner API (runner-overview.txt, runner-conversation-rest.txt, runner-conversation-sdk.txt;
//! what they leave open: notes.md): run, stream, conversations, triggers, agent runs.

mod agent_runs;
mod auth;
mod content;
mod conversations;
mod error;
mod run;
mod run_fields;
mod style;
mod triggers;

pub(crate) use self::auth::key;
pub(crate) use self::error::rendered;
pub use self::style::{ErrorStyle, MessageContent, Style, TimeFormat};
use crate::http::Shared;
use crate::http::routes::Routes;

pub(crate) fn routes() -> Routes<Shared> {
    Routes::new()
        .merge(run::routes())
        .merge(conversations::routes())
        .merge(triggers::routes())
        .merge(agent_runs::routes())
}
