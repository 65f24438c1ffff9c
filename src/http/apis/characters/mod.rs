//! The Characters API (characters.txt): models, completions, conversations, agents, images.

mod agents;
mod auth;
mod completions;
mod conversations;
mod images;
mod models;

pub(crate) use self::auth::key;
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
