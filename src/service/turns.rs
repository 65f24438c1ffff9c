//! Turns: a message goes in, a model is shown what it may see, an answer comes out and is stored.
//!
//! A turn is a user's message and its answer. It is stored whole or not at all. A streamed turn is
//! stored when its last word has been taken and before the stream ends, by a task of its own, so
//! that it is stored too when the client goes away in the middle ([`streaming`]).

mod streaming;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::{FutureExt as _, StreamExt as _};
use tokio_util::task::TaskTracker;

pub use self::streaming::WordStream;
use super::access::Caller;
use super::worlds::World;
use crate::backend::{Answer, Ask, Backend, Canned, Echo, Piece, Usage};
use crate::domain::conversation::{
    Api, Conversation, Message, Meta, Prompt, Scene, Turn, Variables, name_from,
};
use crate::domain::rule::Pace;
use crate::domain::{BackendName, Error, OutputMode, Part, Role};
use crate::ids::{ConversationId, Kind};
use crate::store::conversations::{self, Window};
use crate::store::{Store, accounts};
use crate::tokens;

/// What a file part counts, in tokens.
const FILE_TOKENS: u64 = 256;

/// Makes turns.
#[derive(Clone)]
pub struct Turns {
    store: Store,
    settings: Settings,
    canned: Arc<dyn Backend>,
    echo: Arc<dyn Backend>,
    /// The tasks that store streamed turns; shutting down waits for them.
    tasks: TaskTracker,
}

/// What the server was started with that turns need.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Overrides every deployment's own backend.
    pub backend: Option<BackendName>,
    /// How fast words are streamed where a rule does not say.
    pub pace: Duration,
    /// Where chance comes from.
    pub seed: u64,
}

/// What a client said.
#[derive(Debug, Clone)]
pub struct Said {
    /// The message.
    pub parts: Vec<Part>,
    /// Values for the slots of the instructions.
    pub variables: Variables,
}

/// An answer that is complete.
#[derive(Debug, Clone)]
pub struct Completed {
    /// Its text; for structured output the JSON text of an object.
    pub text: String,
    /// Which of the two it is.
    pub output: OutputMode,
    /// The model it is said to come from.
    pub model: String,
    /// Tokens the model was shown.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// A turn that is complete and stored, and its conversation after it.
#[derive(Debug, Clone)]
pub struct Spoken {
    /// The conversation.
    pub conversation: Conversation,
    /// The answer.
    pub answer: Completed,
}

/// A message on its way to the model: where it goes, and what the model is shown.
struct Asked {
    prompt: Arc<Prompt>,
    asked_at: DateTime<Utc>,
}

/// An answer that is all there, with the name it suggests.
struct Given {
    completed: Completed,
    name: Option<String>,
}

impl Turns {
    /// Turns stored in `store`.
    pub fn new(store: Store, settings: Settings) -> Self {
        Self {
            store,
            settings,
            canned: Arc::new(Canned),
            echo: Arc::new(Echo),
            tasks: TaskTracker::new(),
        }
    }

    /// Answers, and stores nothing.
    pub async fn run(&self, caller: &Caller, said: Said) -> Result<Completed, Error> {
        let asked = asked_first(caller, said, Meta::new());
        Ok(self.complete(caller, &asked).await?.completed)
    }

    /// Streams an answer, and stores nothing.
    pub async fn stream(&self, caller: &Caller, said: Said) -> Result<WordStream, Error> {
        let asked = asked_first(caller, said, Meta::new());
        let answer = self.ask(caller, &asked).await?;
        Ok(self.words(&caller.world, answer))
    }

    /// Starts a conversation with its first turn.
    pub async fn start(&self, caller: &Caller, said: Said, meta: Meta) -> Result<Spoken, Error> {
        let variables = said.variables.clone();
        let asked = asked_first(caller, said, meta.clone());
        let Given { completed, name } = self.complete(caller, &asked).await?;
        let turn = NewTurn::answered(caller, &asked, &completed.text);
        let (world, deployment) = (Arc::clone(&caller.world), caller.deployment.id.clone());
        let name = name.unwrap_or_else(|| name_from(&asked.prompt.message));
        let conversation = self
            .store
            .write(move |db| {
                async move {
                    let ordinal = world.ids.next(Kind::Conversation);
                    let mut conversation = Conversation {
                        id: world.ids.runner_conversation(ordinal),
                        ordinal,
                        deployment,
                        name,
                        meta,
                        variables,
                        created_at: turn.asked_at,
                        updated_at: turn.asked_at,
                        message_count: 0,
                    };
                    conversations::insert(db, world.row, &conversation, 0).await?;
                    turn.store(db, &world, &mut conversation).await?;
                    Ok(conversation)
                }
                .boxed()
            })
            .await
            .map_err(Error::internal)?;
        Ok(Spoken { conversation, answer: completed })
    }

    /// Goes on with a conversation, showing the model its last `history_limit` turns.
    pub async fn proceed(
        &self,
        caller: &Caller,
        id: ConversationId,
        parts: Vec<Part>,
        history_limit: u64,
    ) -> Result<Spoken, Error> {
        let (mut conversation, asked) = self.asked_again(caller, id, parts, history_limit).await?;
        let Given { completed, .. } = self.complete(caller, &asked).await?;
        let turn = NewTurn::answered(caller, &asked, &completed.text);
        let world = Arc::clone(&caller.world);
        let conversation = self
            .store
            .write(move |db| {
                async move {
                    turn.store(db, &world, &mut conversation).await?;
                    Ok(conversation)
                }
                .boxed()
            })
            .await
            .map_err(Error::internal)?;
        Ok(Spoken { conversation, answer: completed })
    }

    /// Goes on with a conversation in a stream, which ends when the turn is stored.
    pub async fn proceed_stream(
        &self,
        caller: &Caller,
        id: ConversationId,
        parts: Vec<Part>,
        history_limit: u64,
    ) -> Result<WordStream, Error> {
        let (conversation, asked) = self.asked_again(caller, id, parts, history_limit).await?;
        let answer = self.ask(caller, &asked).await?;
        let words = self.words(&caller.world, answer);
        let (store, world) = (self.store.clone(), Arc::clone(&caller.world));
        Ok(streaming::recorded(words, &self.tasks, move |text, aborted| async move {
            let turn = NewTurn {
                said: asked.prompt.message.clone(),
                asked_at: asked.asked_at,
                answered_at: world.clock.now(),
                text,
                aborted,
            };
            let mut conversation = conversation;
            let stored = store.write(move |db| {
                async move { turn.store(db, &world, &mut conversation).await }.boxed()
            });
            stored.await.map_err(Error::internal)
        }))
    }

    /// Waits until every streamed turn is stored. No further ones may begin.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Finds the conversation and puts together what the model is shown of it.
    async fn asked_again(
        &self,
        caller: &Caller,
        id: ConversationId,
        parts: Vec<Part>,
        history_limit: u64,
    ) -> Result<(Conversation, Asked), Error> {
        let owner = caller.world.row;
        let wanted = id.clone();
        let found = self
            .store
            .read(move |db| {
                async move {
                    let Some(found) = conversations::find(db, owner, &wanted).await? else {
                        return Ok(None);
                    };
                    let shown = history_window(found.message_count, history_limit);
                    let history = conversations::messages(db, owner, found.ordinal, shown).await?;
                    Ok(Some((found, history)))
                }
                .boxed()
            })
            .await
            .map_err(Error::internal)?;
        let (conversation, history) =
            found.ok_or_else(|| Error::UnknownConversation(id.clone()))?;
        if conversation.deployment != caller.deployment.id {
            return Err(Error::DeploymentMismatch {
                conversation: id,
                belongs_to: conversation.deployment,
            });
        }
        let turn = conversation.message_count / 2 + 1;
        let (variables, meta) = (conversation.variables.clone(), conversation.meta.clone());
        let history = history
            .into_iter()
            .map(|message| Turn { role: message.role, parts: message.parts })
            .collect();
        let said = Said { parts, variables };
        Ok((conversation, asked(caller, said, meta, history, turn)))
    }

    async fn ask(&self, caller: &Caller, asked: &Asked) -> Result<Answer, Error> {
        let backend = match self.settings.backend.unwrap_or(caller.deployment.backend) {
            BackendName::Canned => &self.canned,
            BackendName::Echo => &self.echo,
        };
        let ask = Ask {
            prompt: Arc::clone(&asked.prompt),
            rules: Arc::clone(&caller.world.rules),
            seed: self.settings.seed,
        };
        backend.answer(ask).await.map_err(Error::internal)
    }

    /// Asks, and waits for the whole answer.
    async fn complete(&self, caller: &Caller, asked: &Asked) -> Result<Given, Error> {
        let mut answer = self.ask(caller, asked).await?;
        let mut text = String::new();
        let mut usage = Usage::default();
        while let Some(piece) = answer.pieces.next().await {
            match piece.map_err(Error::internal)? {
                Piece::Text(more) if text.is_empty() => text = more,
                Piece::Text(more) => text.push_str(&more),
                Piece::Usage(said) => usage = said,
            }
        }
        let completed = Completed {
            input_tokens: usage.input_tokens.unwrap_or_else(|| tokens_shown(&asked.prompt)),
            output_tokens: usage.output_tokens.unwrap_or_else(|| tokens::count(&text)),
            output: asked.prompt.output,
            model: caller.deployment.model.clone(),
            text,
        };
        Ok(Given { completed, name: answer.name })
    }

    fn words(&self, world: &Arc<World>, answer: Answer) -> WordStream {
        let word_ms = u64::try_from(self.settings.pace.as_millis()).unwrap_or(u64::MAX);
        let default = Pace { first_ms: 0, word_ms, jitter_ms: 0 };
        let pace = answer.pace.unwrap_or(default);
        streaming::paced(answer.pieces, pace, Arc::clone(&world.clock), world.ids.draw())
    }
}

/// A first message: nothing came before it.
fn asked_first(caller: &Caller, said: Said, meta: Meta) -> Asked {
    asked(caller, said, meta, Vec::new(), 1)
}

fn asked(caller: &Caller, said: Said, meta: Meta, history: Vec<Turn>, turn: u64) -> Asked {
    let Caller { world, deployment } = caller;
    let prompt = Prompt {
        instructions: deployment.instructions_with(&said.variables),
        history,
        message: said.parts,
        output: deployment.output,
        scene: Scene {
            api: Api::Runner,
            deployment: Some(deployment.id.clone()),
            model: deployment.model.clone(),
            account: world.account.id.clone(),
            turn,
            variables: Arc::new(said.variables),
            meta: Arc::new(meta),
        },
    };
    Asked { prompt: Arc::new(prompt), asked_at: world.clock.now() }
}

/// Where the last `turns` turns of a conversation of `messages` messages lie.
fn history_window(messages: u64, turns: u64) -> Window {
    let take = turns.saturating_mul(2).min(messages);
    Window { skip: messages - take, take }
}

/// The plain sum of the tokens of everything the model is shown; a file counts 256.
fn tokens_shown(prompt: &Prompt) -> u64 {
    let history = prompt.history.iter().flat_map(|turn| &turn.parts);
    let parts = history.chain(&prompt.message);
    let said: u64 = parts.map(|part| part.as_text().map_or(FILE_TOKENS, tokens::count)).sum();
    tokens::count(&prompt.instructions) + said
}

/// A turn on its way into the store.
struct NewTurn {
    said: Vec<Part>,
    asked_at: DateTime<Utc>,
    text: String,
    answered_at: DateTime<Utc>,
    aborted: bool,
}

impl NewTurn {
    fn answered(caller: &Caller, asked: &Asked, text: &str) -> Self {
        Self {
            said: asked.prompt.message.clone(),
            asked_at: asked.asked_at,
            text: text.to_owned(),
            answered_at: caller.world.clock.now(),
            aborted: false,
        }
    }

    /// Adds the turn to `conversation`, there and in the store.
    async fn store(
        self,
        db: &mut crate::store::Connection,
        world: &World,
        conversation: &mut Conversation,
    ) -> Result<(), crate::store::StoreError> {
        let message = |role, parts, created_at, aborted| Message {
            id: world.ids.message(),
            role,
            parts,
            created_at,
            aborted,
        };
        let said = message(Role::User, self.said, self.asked_at, false);
        let answer = vec![Part::text(self.text)];
        let answered = message(Role::Assistant, answer, self.answered_at, self.aborted);
        let activity = world.ids.next(Kind::Activity);
        let turn = [&said, &answered];
        conversations::append_turn(db, world.row, conversation.ordinal, turn, activity).await?;
        accounts::save_counters(db, world.row, &world.ids).await?;
        conversation.updated_at = self.answered_at;
        conversation.message_count += 2;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn history_is_the_last_turns_and_no_more(turns in 0_u64..2000, limit in 0_u64..=1000) {
            let window = history_window(turns * 2, limit);
            prop_assert_eq!(window.take, turns.min(limit) * 2);
            prop_assert_eq!(window.skip + window.take, turns * 2);
        }
    }
}
