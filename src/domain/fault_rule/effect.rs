//! Checks an effect and converts it to a fault.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::check::{DAY, FaultRuleError, within};
use super::{Effect, Fault, FaultAction, StreamFault};

/// The longest delay in milliseconds: a day.
const DAY_MS: u64 = DAY * 1000;
/// The most words that an effect may name, more than any answer has.
const MOST_WORDS: u64 = 1_000_000;
/// The statuses of a refusal.
const REFUSING: RangeInclusive<u64> = 400..=599;
/// The default of `Retry-After` for a 429, in seconds.
const USUAL_RETRY_AFTER: u64 = 1;

impl FaultAction {
    /// The field that sets it, by its path in a rule.
    pub(super) fn field(&self) -> &'static str {
        match self {
            Self::DelayOnly => "effect.delay_ms",
            Self::Refuse { .. } => "effect.status",
            Self::Drop(_) => "effect.drop",
            Self::CorruptBody(_) => "effect.body",
            Self::SetContentType(_) => "effect.content_type",
            Self::Stream(StreamFault::Pace(_)) => "effect.pace_ms",
            Self::Stream(StreamFault::BreakAfter(_)) => "effect.break_after",
            Self::Stream(StreamFault::EndAfter(_)) => "effect.end_after",
            Self::Stream(StreamFault::StallAfter(_)) => "effect.stall_after",
            Self::Stream(StreamFault::Repeat(_)) => "effect.repeat_chunk",
            Self::Stream(StreamFault::SplitCharacter) => "effect.split_character",
        }
    }

    /// The name in logs and in the request header: that of the field that sets it.
    pub fn name(&self) -> &'static str {
        self.field().trim_start_matches("effect.")
    }
}

impl Effect {
    /// The fault that it describes.
    pub fn fault(&self) -> Result<Fault, FaultRuleError> {
        let delay = within(self.delay_ms, 1..=DAY_MS, "effect.delay_ms")?;
        let mut actions = self.actions()?.into_iter().flatten();
        let action = actions.next();
        if let (Some(one), Some(other)) = (&action, actions.next()) {
            let message = format!("cannot go together with {}", one.name());
            return Err(FaultRuleError::new(other.field(), message));
        }
        if self.retry_after.is_some() && !matches!(action, Some(FaultAction::Refuse { .. })) {
            return Err(FaultRuleError::new(
                "effect.retry_after",
                "goes together with status only",
            ));
        }
        if self.envelope.is_some() && !matches!(action, Some(FaultAction::Refuse { .. })) {
            return Err(FaultRuleError::new("effect.envelope", "goes together with status only"));
        }
        match (action, delay) {
            (None, None) => Err(FaultRuleError::new(
                "effect",
                "must have one of delay_ms, status, drop, body, content_type, pace_ms, \
                 break_after, end_after, stall_after, repeat_chunk, split_character",
            )),
            (action, delay) => Ok(Fault {
                delay: Duration::from_millis(delay.unwrap_or_default()),
                action: action.unwrap_or(FaultAction::DelayOnly),
            }),
        }
    }

    fn actions(&self) -> Result<[Option<FaultAction>; 10], FaultRuleError> {
        let words = |number, field| within(number, 0..=MOST_WORDS, field);
        let pace = within(self.pace_ms, 1..=DAY_MS, "effect.pace_ms")?;
        let break_after = words(self.break_after, "effect.break_after")?;
        let end_after = words(self.end_after, "effect.end_after")?;
        let stall_after = words(self.stall_after, "effect.stall_after")?;
        let repeat = within(self.repeat_chunk, 1..=MOST_WORDS, "effect.repeat_chunk")?;
        if self.split_character == Some(false) {
            return Err(FaultRuleError::new("effect.split_character", "must be true"));
        }
        Ok([
            self.refusal()?,
            self.drop.map(FaultAction::Drop),
            self.body.map(FaultAction::CorruptBody),
            self.content_type()?,
            pace.map(|ms| FaultAction::Stream(StreamFault::Pace(Duration::from_millis(ms)))),
            break_after.map(|words| FaultAction::Stream(StreamFault::BreakAfter(words))),
            end_after.map(|words| FaultAction::Stream(StreamFault::EndAfter(words))),
            stall_after.map(|words| FaultAction::Stream(StreamFault::StallAfter(words))),
            repeat.map(|chunk| FaultAction::Stream(StreamFault::Repeat(chunk))),
            self.split_character.map(|_| FaultAction::Stream(StreamFault::SplitCharacter)),
        ])
    }

    fn refusal(&self) -> Result<Option<FaultAction>, FaultRuleError> {
        let retry_after = within(self.retry_after, 0..=DAY, "effect.retry_after")?;
        let Some(status) = within(self.status, REFUSING, "effect.status")? else {
            return Ok(None);
        };
        #[expect(clippy::expect_used, reason = "within checked the range")]
        let status = u16::try_from(status).expect("the status is from 400 to 599");
        let retry_after = retry_after.or((status == 429).then_some(USUAL_RETRY_AFTER));
        Ok(Some(FaultAction::Refuse { status, retry_after, envelope: self.envelope }))
    }

    fn content_type(&self) -> Result<Option<FaultAction>, FaultRuleError> {
        let Some(content_type) = &self.content_type else { return Ok(None) };
        let printable = content_type.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if content_type.is_empty() || !printable {
            let message = "must be printable ASCII characters, at least one";
            return Err(FaultRuleError::new("effect.content_type", message));
        }
        Ok(Some(FaultAction::SetContentType(content_type.clone())))
    }
}
