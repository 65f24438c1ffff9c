//! Agent runs as a snapshot writes them: the steps of each conversation, oldest first.

use std::collections::HashSet;

use super::rows::ConversationState;
use super::values::MOST_MADE;
use crate::domain::agent_run::{RunStatus, RunStep};
use crate::domain::error::{FieldError, FieldErrorKind};

/// Checks that the steps of all conversations could have been recorded: runs and steps are numbered
/// without a gap, a step follows only a step that does not end its run, and no call occurs twice.
pub(super) fn check_runs(
    conversations: &[ConversationState],
    calls_made: u64,
) -> Result<(), FieldError> {
    let (mut calls, mut resolved) = (HashSet::new(), HashSet::new());
    for (index, conversation) in conversations.iter().enumerate() {
        let mut before: Option<&RunStep> = None;
        for (number, step) in conversation.runs.iter().enumerate() {
            let field = format!("conversations[{index}].runs[{number}]");
            let wrong = |message: String| {
                let message = format!("{field} {message}");
                FieldError::new(field.clone(), FieldErrorKind::BadValue, message)
            };
            check_number(before, step).map_err(wrong)?;
            for call in &step.calls {
                let is_known = (1..=calls_made).contains(&call.ordinal);
                if !is_known || !calls.insert(&call.call_id) {
                    return Err(wrong(format!("has a call `{}` that cannot be", call.call_id)));
                }
            }
            for result in &step.results {
                if !calls.contains(&result.call_id) || !resolved.insert(&result.call_id) {
                    let message = format!("has a result of `{}` that cannot be", result.call_id);
                    return Err(wrong(message));
                }
            }
            before = Some(step);
        }
    }
    Ok(())
}

fn check_number(before: Option<&RunStep>, step: &RunStep) -> Result<(), String> {
    let next_run = before.map_or(1, |before| before.run + 1);
    let starts = step.run == next_run && step.step == 0 && before.is_none_or(RunStep::has_ended);
    let continues = before.is_some_and(|before| {
        !before.has_ended()
            && (step.run, step.step, &step.run_id) == (before.run, before.step + 1, &before.run_id)
    });
    if !starts && !continues {
        return Err("must continue its run or start the next".to_owned());
    }
    if step.calls.is_empty() == (step.status == RunStatus::WaitingForClientAction) {
        return Err("must have calls if and only if it waits for the client".to_owned());
    }
    let is_bounded = |number: u64| number <= MOST_MADE;
    if !is_bounded(step.messages)
        || !is_bounded(step.input_tokens)
        || !is_bounded(step.output_tokens)
    {
        return Err(format!("must have numbers from 0 to {MOST_MADE}"));
    }
    Ok(())
}
