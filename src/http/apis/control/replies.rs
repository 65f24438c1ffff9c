//! Scripted replies (docs/control.md, "Replies"): an account's own rules and its queue.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::body::ControlBody;
use super::error::ControlError;
use crate::app::AccountRegistry;
use crate::app::replies::{AccountReplies, Position, RuleDefinition, RuleListItem};
use crate::domain::Api;
use crate::domain::error::{FieldError, FieldErrorKind, FieldLocation};
use crate::domain::reply_rule::{Reply, ReplyRule};
use crate::http::extract::{AnyBody, InPath, PairInPath};
use crate::http::response::json::Json;
use crate::http::response::pages::ListQuery;
use crate::ids::AccountId;

/// A rule of a new list: the rule itself, or the id of a present one.
#[derive(Debug)]
pub(super) struct DefinitionBody(RuleDefinition);

impl<'de> Deserialize<'de> for DefinitionBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DefinitionVisitor).map(Self)
    }
}

struct DefinitionVisitor;

impl<'de> Visitor<'de> for DefinitionVisitor {
    type Value = RuleDefinition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rule or the id of one")
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<RuleDefinition, E> {
        Ok(RuleDefinition::Kept(id.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, rule: A) -> Result<RuleDefinition, A::Error> {
        ReplyRule::deserialize(MapAccessDeserializer::new(rule))
            .map(Box::new)
            .map(RuleDefinition::New)
    }
}

/// A reply, or several.
#[derive(Debug)]
pub(super) enum RepliesBody {
    One(Box<Reply>),
    Several(Vec<Reply>),
}

impl<'de> Deserialize<'de> for RepliesBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RepliesVisitor)
    }
}

struct RepliesVisitor;

impl<'de> Visitor<'de> for RepliesVisitor {
    type Value = RepliesBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reply or an array of replies")
    }

    fn visit_map<A: MapAccess<'de>>(self, reply: A) -> Result<RepliesBody, A::Error> {
        let reply = Reply::deserialize(MapAccessDeserializer::new(reply))?;
        Ok(RepliesBody::One(Box::new(reply)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut replies: A) -> Result<RepliesBody, A::Error> {
        let mut several = Vec::new();
        while let Some(reply) = replies.next_element()? {
            several.push(reply);
        }
        Ok(RepliesBody::Several(several))
    }
}

/// The rules and the queue of an account.
#[derive(Serialize)]
pub(super) struct RepliesAnswer {
    /// In order: the first that matches answers.
    rules: Vec<RuleAnswer>,
    /// The next one first.
    queue: Vec<QueuedAnswer>,
}

#[derive(Serialize)]
pub(super) struct RuleAnswer {
    id: String,
    /// How many requests it has answered.
    answered: u64,
    rule: ReplyRule,
}

#[derive(Serialize)]
struct QueuedAnswer {
    /// `null` for either.
    api: Option<Api>,
    reply: Reply,
}

impl RepliesAnswer {
    fn of(replies: &AccountReplies) -> Json<Self> {
        let queue = replies.queue().into_iter();
        Json(Self {
            rules: replies.rules().into_iter().map(RuleAnswer::of).collect(),
            queue: queue
                .map(|queued| QueuedAnswer { api: queued.api, reply: queued.reply })
                .collect(),
        })
    }
}

impl RuleAnswer {
    fn of(own: RuleListItem) -> Self {
        Self { id: own.id, answered: own.answered, rule: own.rule }
    }
}

/// The position that `?at=` or `?before=` gives a new rule.
fn position(query: ListQuery) -> Result<Position, ControlError> {
    let bad = |message| {
        FieldError::new("at", FieldErrorKind::BadValue, message).in_the(FieldLocation::Query)
    };
    match query.only(["at", "before"])? {
        [None, None] => Ok(Position::End),
        [Some(at), None] => {
            let at = at.parse().map_err(|_| bad("at must be a whole number of 0 or more"))?;
            Ok(Position::At(at))
        }
        [None, Some(id)] => Ok(Position::Before(id)),
        [Some(_), Some(_)] => Err(bad("at and before cannot both be given").into()),
    }
}

/// The API that `?api=` reserves replies for.
fn api(query: ListQuery) -> Result<Option<Api>, ControlError> {
    let [api] = query.only(["api"])?;
    let Some(name) = api else { return Ok(None) };
    let bad =
        || FieldError::new("api", FieldErrorKind::BadValue, "api must be runner or characters");
    Api::named(&name).map(Some).ok_or_else(|| bad().in_the(FieldLocation::Query).into())
}

/// `GET /_mynah/accounts/{id}/replies`.
pub(super) async fn list_replies(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
) -> Result<Json<RepliesAnswer>, ControlError> {
    Ok(RepliesAnswer::of(&registry.require(&id)?.replies()))
}

/// `POST /_mynah/accounts/{id}/replies`: adds a rule, last or where `?at=0` or `?before=ID` says.
pub(super) async fn add_replies(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
    query: ListQuery,
    ControlBody(rule): ControlBody<ReplyRule>,
) -> Result<(StatusCode, Json<RuleAnswer>), ControlError> {
    let replies = registry.require(&id)?.replies();
    let added = replies.add(rule, position(query)?).await?;
    Ok((StatusCode::CREATED, Json(RuleAnswer::of(added))))
}

/// `PUT /_mynah/accounts/{id}/replies`: replaces the list with rules and ids of rules to keep.
pub(super) async fn replace_replies(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
    AnyBody(list): AnyBody<Vec<DefinitionBody>>,
) -> Result<Json<RepliesAnswer>, ControlError> {
    let replies = registry.require(&id)?.replies();
    replies
        .replace(list.into_iter().map(|DefinitionBody(definition)| definition).collect())
        .await?;
    Ok(RepliesAnswer::of(&replies))
}

/// `DELETE /_mynah/accounts/{id}/replies`: removes the account's own rules and its queue.
pub(super) async fn clear_replies(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
) -> Result<StatusCode, ControlError> {
    registry.require(&id)?.replies().clear();
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /_mynah/accounts/{id}/replies/{rule}`.
pub(super) async fn delete_reply(
    State(registry): State<Arc<AccountRegistry>>,
    PairInPath(account, rule): PairInPath<AccountId, String>,
) -> Result<StatusCode, ControlError> {
    registry.require(&account)?.replies().remove(&rule)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /_mynah/accounts/{id}/replies/queue`: replies for the next requests, one each; with
/// `?api=` for that API's.
pub(super) async fn enqueue_reply(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
    query: ListQuery,
    AnyBody(body): AnyBody<RepliesBody>,
) -> Result<(StatusCode, Json<RepliesAnswer>), ControlError> {
    let replies = registry.require(&id)?.replies();
    let api = api(query)?;
    match body {
        RepliesBody::One(reply) => replies.enqueue(*reply, api).await?,
        RepliesBody::Several(several) => replies.enqueue_all(several, api).await?,
    }
    Ok((StatusCode::CREATED, RepliesAnswer::of(&replies)))
}

/// `DELETE /_mynah/accounts/{id}/replies/queue`.
pub(super) async fn clear_queue(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
) -> Result<StatusCode, ControlError> {
    registry.require(&id)?.replies().clear_queue();
    Ok(StatusCode::NO_CONTENT)
}
