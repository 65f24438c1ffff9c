//! Rows to be inserted into all tables, and the statements that insert them.
//!
//! These statements store turns as well as whole accounts. A batch of writes is one text from BEGIN to
//! COMMIT, which is one message to the connection's thread. Nothing is read between its statements: a
//! violated condition makes one of them fail. A balance below zero violates a CHECK, and so do more
//! triggers than an account can have; messages of a conversation that does not exist have no position.
//!
//! Each number of rows needs a statement of its own, so the number is rounded up to a power of two, which
//! limits the number of prepared statements. The remaining rows are NULL and are dropped.

mod accounts;
mod agents;
mod conversations;
mod images;
mod messages;
mod runs;
pub(super) mod statement;
mod triggers;

use self::accounts::AccountRows;
use self::agents::AgentRows;
use self::conversations::ConversationRows;
use self::images::ImageRows;
use self::messages::MessageRows;
use self::runs::RunRows;
pub(super) use self::statement::{Filled, values};
use self::statement::{MOST_PARAMETERS, Text};
use self::triggers::TriggerRows;
pub(super) use self::triggers::update_trigger;
use super::Connection;

/// Rows to be inserted.
#[derive(Default)]
pub(super) struct Rows<'r> {
    pub(super) accounts: AccountRows,
    pub(super) conversations: ConversationRows<'r>,
    pub(super) agents: AgentRows<'r>,
    pub(super) images: ImageRows<'r>,
    pub(super) messages: MessageRows<'r>,
    pub(super) triggers: TriggerRows<'r>,
    pub(super) runs: RunRows<'r>,
    /// Changes of stored rows, after everything else.
    pub(super) updates: Vec<Filled<'r>>,
}

impl Rows<'_> {
    /// Whether there are so many rows that they should be inserted before further ones are added.
    pub(super) fn is_full(&self) -> bool {
        self.messages.len()
            + self.images.len()
            + self.agents.len()
            + self.triggers.len()
            + self.runs.len()
            > MOST_PARAMETERS / 4
    }

    /// Inserts everything, inside a transaction.
    pub(super) async fn insert(self, db: &mut Connection) -> Result<(), sqlx::Error> {
        execute(self.into_texts()?, db).await
    }

    /// Begins a transaction, inserts everything and commits. After an error there may be a
    /// transaction to be rolled back.
    pub(super) async fn commit(self, db: &mut Connection) -> Result<(), sqlx::Error> {
        let mut texts = self.into_texts()?;
        Text::in_transaction(&mut texts);
        execute(texts, db).await
    }

    /// The statements in the order in which they must run: messages need their conversations.
    fn into_texts(self) -> Result<Vec<Text>, sqlx::Error> {
        let Self { accounts, conversations, agents, images, messages, triggers, runs, updates } =
            self;
        let statements = accounts
            .filled()
            .into_iter()
            .chain(conversations.filled())
            .chain([agents.filled(), images.filled()])
            .chain(messages.filled())
            .chain(triggers.filled())
            .chain(runs.filled())
            .chain(updates);
        Text::of(statements)
    }
}

async fn execute(texts: Vec<Text>, db: &mut Connection) -> Result<(), sqlx::Error> {
    for text in texts {
        text.execute(db).await?;
    }
    Ok(())
}
