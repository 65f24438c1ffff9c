//! The Characters API (characters.txt): models, completions, conversations, agents, images.

mod agents;
mod auth;
mod completions;
mod conversations;
mod error;
mod images;
mod models;

pub(crate) use self::auth::key;
pub(crate) use self::error::rendered;
use crate::http::Shared;
use crate::http::routes::Routes;

pub(crate) fn routes() -> Routes<Shared> {
    Routes::new()
        .merge(models::routes())
        .merge(completions::routes())
        .merge(conversations::routes())
        .merge(agents::routes())
        .merge(images::routes())
}
