//! The Characters API (characters.txt): models, completions, conversations, agents, images.

mod agents;
mod auth;
mod completions;
mod conversations;
mod images;
mod models;

use axum::extract::FromRef;

pub(crate) use self::auth::key;
use crate::app::{AgentsAndImages, ConversationQueries, Generation};
use crate::fixtures::FixtureHandle;
use crate::http::base_url::PublicUrl;
use crate::http::extract::Strictness;
use crate::http::large_bodies::LargeBodies;
use crate::http::routes::Routes;
use crate::http::routes::get;
use crate::http::routes::post;

/// The routes, and below `/images` the files that links of this API point to.
pub(crate) fn routes<S>() -> Routes<S>
where
    S: Clone + Send + Sync + 'static,
    Generation: FromRef<S>,
    ConversationQueries: FromRef<S>,
    AgentsAndImages: FromRef<S>,
    FixtureHandle: FromRef<S>,
    PublicUrl: FromRef<S>,
    Strictness: FromRef<S>,
    LargeBodies: FromRef<S>,
{
    Routes::new()
        .route("/api/v1/models", get(models::list_models))
        .route("/api/v1/completions", post(completions::create_completion))
        .route(
            "/api/v1/conversations",
            get(conversations::list_conversations).post(conversations::create_conversation),
        )
        .route("/api/v1/conversations/{id}", get(conversations::get_conversation))
        .route(
            "/api/v1/conversations/{id}/messages",
            get(conversations::list_messages).post(conversations::create_message),
        )
        .route("/api/v1/agents", get(agents::list_agents).post(agents::create_agent))
        .route("/api/v1/agents/{id}", get(agents::get_agent))
        .route("/api/v1/images", get(images::list_images).post(images::create_image))
        .route("/images/{file}", get(images::get_picture))
}
