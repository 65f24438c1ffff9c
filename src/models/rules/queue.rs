//! The queue of scripted replies: each is enqueued at run time and answers one request.

use std::collections::VecDeque;
use std::sync::Arc;

use super::bounds::ListSize;
use super::error::RuleError;
use super::reply::CompiledReply;
use crate::domain::Api;
use crate::domain::reply_rule::Reply;

/// The rule name of replies from the queue.
pub(super) const QUEUE: &str = "queue";

#[derive(Debug, Default)]
pub(super) struct ReplyQueue {
    /// In the order of their numbers.
    replies: VecDeque<ScriptedReply>,
    size: ListSize,
    /// The number of the reply that was enqueued last.
    last_number: u64,
    /// `last_number` when the queue was cleared last.
    cleared_at: u64,
}

/// A reply in the queue, compiled.
#[derive(Debug, Clone)]
pub(super) struct ScriptedReply {
    number: u64,
    /// The API whose requests it answers; any if `None`.
    api: Option<Api>,
    source: Arc<Reply>,
    pub(super) reply: Arc<CompiledReply>,
    size: ListSize,
}

/// A reply in the queue, as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedReply {
    /// The API whose requests it answers; any if `None`.
    pub api: Option<Api>,
    /// The reply.
    pub reply: Reply,
}

impl ScriptedReply {
    pub(super) fn compile(reply: &Reply, api: Option<Api>) -> Result<Self, Vec<RuleError>> {
        let compiled = CompiledReply::compile(reply)?;
        Ok(Self {
            number: 0,
            api,
            source: Arc::new(reply.clone()),
            reply: Arc::new(compiled),
            size: ListSize::of(reply),
        })
    }

    pub(super) fn size(&self) -> ListSize {
        self.size
    }

    pub(super) fn as_sent(&self) -> QueuedReply {
        QueuedReply { api: self.api, reply: Reply::clone(&self.source) }
    }
}

impl ReplyQueue {
    pub(super) fn of(replies: impl IntoIterator<Item = ScriptedReply>) -> Self {
        let mut queue = Self::default();
        for reply in replies {
            queue.push(reply);
        }
        queue
    }

    pub(super) fn size(&self) -> ListSize {
        self.size
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ScriptedReply> {
        self.replies.iter()
    }

    pub(super) fn push(&mut self, reply: ScriptedReply) {
        self.last_number += 1;
        self.size = self.size.plus(reply.size);
        self.replies.push_back(ScriptedReply { number: self.last_number, ..reply });
    }

    /// Takes the first reply that answers requests to `api`. Replies for agent runs answer those only.
    pub(super) fn take(&mut self, api: Api, is_agent_run: bool) -> Option<ScriptedReply> {
        let answers = |queued: &ScriptedReply| {
            queued.api.is_none_or(|wanted| wanted == api)
                && (is_agent_run || !queued.reply.is_for_agent_runs)
        };
        let index = self.replies.iter().position(answers)?;
        let reply = self.replies.remove(index)?;
        self.size = self.size.minus(reply.size);
        Some(reply)
    }

    /// Puts a reply that was taken back in its place, unless the queue was cleared since.
    pub(super) fn put_back(&mut self, reply: ScriptedReply) {
        if reply.number > self.cleared_at {
            let index = self.replies.partition_point(|other| other.number < reply.number);
            self.size = self.size.plus(reply.size);
            self.replies.insert(index, reply);
        }
    }

    pub(super) fn clear(&mut self) {
        self.replies.clear();
        self.size = ListSize::default();
        self.cleared_at = self.last_number;
    }
}
