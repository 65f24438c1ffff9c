//! Errors of the Characters API as statuses, and their envelope (characters.txt, the errors at its end).

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use thiserror::Error;

use crate::app::accounts::SessionWriteError;
use crate::app::agents::AgentError;
use crate::app::auth::KeyError;
use crate::app::conversations::ConversationError;
use crate::app::faults::InjectedError;
use crate::app::generation::{CompletionError, ModelError, ReplyError};
use crate::app::images::ImageError;
use crate::domain::catalog::ModelLookupError;
use crate::domain::error::{FieldError, InternalError};
use crate::http::response::error::{self, ErrorStatus, HttpError, carrying};
use crate::http::response::plain;

/// Why a request to the Characters API gets no ordinary answer.
#[derive(Debug, Error)]
pub(crate) enum CharactersError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Conversation(#[from] ConversationError),
    #[error(transparent)]
    Completion(#[from] CompletionError),
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Injected(#[from] InjectedError),
    #[error(transparent)]
    Internal(#[from] InternalError),
}

impl From<FieldError> for CharactersError {
    fn from(error: FieldError) -> Self {
        Self::Http(error.into())
    }
}

impl CharactersError {
    fn status(&self) -> ErrorStatus {
        match self {
            Self::Http(error) => error.status(),
            Self::Key(KeyError::Missing | KeyError::Unknown) => StatusCode::UNAUTHORIZED.into(),
            Self::Conversation(error) => conversation_status(error),
            Self::Completion(error) => completion_status(error),
            Self::Agent(error) => agent_status(error),
            Self::Image(error) => image_status(error),
            Self::Injected(error) => injected_status(error),
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR.into(),
        }
    }
}

fn conversation_status(error: &ConversationError) -> ErrorStatus {
    match error {
        ConversationError::UnknownConversation(_) => StatusCode::NOT_FOUND.into(),
        ConversationError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR.into(),
    }
}

fn completion_status(error: &CompletionError) -> ErrorStatus {
    match error {
        CompletionError::Field(_) => StatusCode::BAD_REQUEST.into(),
        CompletionError::ModelLookup(error) => model_lookup_status(error),
        CompletionError::UnknownAgent(_) | CompletionError::UnknownConversation(_) => {
            StatusCode::NOT_FOUND.into()
        }
        CompletionError::InsufficientBalance { .. } => StatusCode::PAYMENT_REQUIRED.into(),
        CompletionError::Injected(error) => injected_status(error),
        CompletionError::Reply(ReplyError::Model(error)) => model_status(error),
        CompletionError::Reply(ReplyError::Write(error)) => write_status(error),
        CompletionError::Reply(ReplyError::Internal(_)) => StatusCode::INTERNAL_SERVER_ERROR.into(),
    }
}

fn agent_status(error: &AgentError) -> ErrorStatus {
    match error {
        AgentError::ModelLookup(error) => model_lookup_status(error),
        AgentError::UnknownAgent(_) => StatusCode::NOT_FOUND.into(),
        AgentError::InsufficientBalance { .. } => StatusCode::PAYMENT_REQUIRED.into(),
        AgentError::Injected(error) => injected_status(error),
        AgentError::Write(error) => write_status(error),
        AgentError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR.into(),
    }
}

fn image_status(error: &ImageError) -> ErrorStatus {
    match error {
        ImageError::ModelLookup(error) => model_lookup_status(error),
        ImageError::UnknownConversation(_) | ImageError::UnknownPicture(_) => {
            StatusCode::NOT_FOUND.into()
        }
        ImageError::InsufficientBalance { .. } => StatusCode::PAYMENT_REQUIRED.into(),
        ImageError::Injected(error) => injected_status(error),
        ImageError::Write(error) => write_status(error),
        ImageError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR.into(),
    }
}

fn model_lookup_status(error: &ModelLookupError) -> ErrorStatus {
    match error {
        ModelLookupError::OtherKind(_) => StatusCode::BAD_REQUEST.into(),
        ModelLookupError::UnknownLlm(_) | ModelLookupError::UnknownSdModel(_) => {
            StatusCode::NOT_FOUND.into()
        }
    }
}

fn model_status(error: &ModelError) -> ErrorStatus {
    match error {
        ModelError::RateLimited { retry_after } => {
            ErrorStatus::from(StatusCode::TOO_MANY_REQUESTS).with_retry_after(*retry_after)
        }
        ModelError::TimedOut => StatusCode::GATEWAY_TIMEOUT.into(),
        ModelError::Refused { .. } => StatusCode::BAD_REQUEST.into(),
        ModelError::Broken(_) => StatusCode::BAD_GATEWAY.into(),
        ModelError::Template { .. } | ModelError::Lost(_) => {
            StatusCode::INTERNAL_SERVER_ERROR.into()
        }
    }
}

fn write_status(error: &SessionWriteError) -> ErrorStatus {
    match error {
        SessionWriteError::AccountEnded => StatusCode::CONFLICT.into(),
        SessionWriteError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR.into(),
    }
}

fn injected_status(error: &InjectedError) -> ErrorStatus {
    match error {
        InjectedError::Refused { status, .. } => ErrorStatus::injected(*status),
        InjectedError::AccountEnded => StatusCode::CONFLICT.into(),
    }
}

impl IntoResponse for CharactersError {
    fn into_response(self) -> Response {
        carrying(self)
    }
}

/// Gives errors their envelope.
pub(crate) fn rendered(response: Response) -> Response {
    error::rendered(response, |error: &CharactersError| {
        let status = error.status();
        status.completed(error, plain::envelope(status.status, error))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::{HeaderValue, header};
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::app::generation::RenderError;

    #[tokio::test]
    async fn each_failure_of_a_model_has_its_status_and_message() {
        let retry_after = Some(Duration::from_secs(7));
        let template = ModelError::Template { rule: "r".to_owned(), source: RenderError::Panicked };
        let failures = [
            (ModelError::RateLimited { retry_after }, 429, "the model's rate limit is reached"),
            (ModelError::TimedOut, 504, "the model did not reply in time"),
            (
                ModelError::Refused { reason: "policy".to_owned() },
                400,
                "the model refused the prompt: policy",
            ),
            (ModelError::Broken("reset".into()), 502, "the model failed"),
            (template, 500, "Internal error"),
        ];
        for (failure, status, message) in failures {
            let error = CompletionError::from(ReplyError::from(failure));
            let answer = rendered(CharactersError::from(error).into_response());
            assert_eq!(answer.status().as_u16(), status, "{message}");
            let waits = answer.headers().get(header::RETRY_AFTER).map(HeaderValue::as_bytes);
            assert_eq!(waits, (status == 429).then_some(b"7".as_slice()));
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["error"], message);
        }
    }
}
