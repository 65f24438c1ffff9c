//! Accounts (docs/control.md, "Accounts"): created, listed, changed, reset and removed.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};

use super::body::{ControlBody, NoFields, OptionalBody};
use super::clock::ClockAnswer;
use super::error::ControlError;
use crate::app::accounts::{AccountChanges, LimitChange, NewAccount};
use crate::app::snapshots::Section;
use crate::app::{AccountRegistry, AccountState};
use crate::clock::parse_rfc3339;
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::domain::{ApiKey, Credits, Profile};
use crate::http::extract::{InPath, WholeNumber};
use crate::http::response::json::Json;
use crate::ids::AccountId;

/// An account to create; every field is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccountBody {
    from: Option<AccountId>,
    plan: Option<String>,
    balance: Option<String>,
    seed: Option<WholeNumber>,
    clock: Option<String>,
    ttl: Option<WholeNumber>,
    profile: Option<String>,
    /// The sections that a fork copies besides data, balance, plan and clock.
    with: Option<Vec<String>>,
}

/// What to change; `null` for a limit restores that of the plan.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangesBody {
    plan: Option<String>,
    balance: Option<String>,
    #[serde(default)]
    requests_per_minute: LimitBody,
    #[serde(default)]
    runner_requests_per_minute: LimitBody,
}

/// An account.
#[derive(Serialize)]
pub(super) struct AccountAnswer {
    id: AccountId,
    /// Only in the answer that creates the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    project: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<AccountId>,
    /// Its own profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'static str>,
    plan: String,
    requests_per_minute: u32,
    runner_requests_per_minute: Option<u32>,
    balance: String,
    clock: ClockAnswer,
}

/// A limit in a body, where `null` and an absent field differ.
#[derive(Debug, Default)]
enum LimitBody {
    #[default]
    Absent,
    Null,
    Number(WholeNumber),
}

impl<'de> Deserialize<'de> for LimitBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|given| given.map_or(Self::Null, Self::Number))
    }
}

impl LimitBody {
    fn checked(&self, field: &str) -> Result<LimitChange, FieldError> {
        Ok(match self {
            Self::Absent => LimitChange::Keep,
            Self::Null => LimitChange::Usual,
            Self::Number(number) => {
                let number = number.within(1..=u64::from(u32::MAX), field)?;
                #[expect(clippy::expect_used, reason = "within checked the range")]
                let limit = u32::try_from(number).expect("the limit is at most u32::MAX");
                LimitChange::To(limit)
            }
        })
    }
}

fn credits(text: Option<String>) -> Result<Option<Credits>, FieldError> {
    text.map(|text| {
        Credits::parse(&text).ok_or_else(|| {
            let message = "balance must be credits as decimal text, at most six places: \"12.5\"";
            FieldError::new("balance", FieldErrorKind::BadValue, message)
        })
    })
    .transpose()
}

fn profile(name: Option<String>) -> Result<Option<Profile>, FieldError> {
    name.map(|name| {
        Profile::named(&name).ok_or_else(|| {
            let names = Profile::ALL.map(Profile::name).join(" or ");
            let message = format!("profile must be {names}");
            FieldError::new("profile", FieldErrorKind::BadValue, message)
        })
    })
    .transpose()
}

impl NewAccountBody {
    /// The sections that a fork copies: by default all.
    pub(super) fn sections(&self) -> Result<Vec<Section>, FieldError> {
        match &self.with {
            Some(names) => Section::named(names.iter().map(String::as_str)),
            None => Ok(Section::ALL.to_vec()),
        }
    }

    pub(super) fn checked(self) -> Result<NewAccount, FieldError> {
        let number = |number: Option<WholeNumber>, least, field| {
            number.map(|number| number.within(least..=u64::MAX, field)).transpose()
        };
        let clock = self.clock.map(|text| {
            parse_rfc3339(&text).ok_or_else(|| {
                let message = "clock must be a time like 2026-03-24T09:00:00Z";
                FieldError::new("clock", FieldErrorKind::BadValue, message)
            })
        });
        Ok(NewAccount {
            from: self.from,
            plan: self.plan,
            balance: credits(self.balance)?,
            seed: number(self.seed, 0, "seed")?,
            clock: clock.transpose()?,
            profile: profile(self.profile)?,
            ttl: number(self.ttl, 1, "ttl")?.map(Duration::from_secs),
        })
    }
}

impl ChangesBody {
    fn checked(self) -> Result<AccountChanges, FieldError> {
        Ok(AccountChanges {
            plan: self.plan,
            balance: credits(self.balance)?,
            requests_per_minute: self.requests_per_minute.checked("requests_per_minute")?,
            runner_requests_per_minute: self
                .runner_requests_per_minute
                .checked("runner_requests_per_minute")?,
        })
    }
}

pub(super) async fn answer(
    registry: &AccountRegistry,
    account: &AccountState,
) -> Result<AccountAnswer, ControlError> {
    Ok(account_answer(account, registry.balance(account).await?))
}

fn account_answer(account: &AccountState, balance: Credits) -> AccountAnswer {
    let plan = account.plan();
    AccountAnswer {
        id: account.id.clone(),
        key: None,
        project: account.project().to_string(),
        from: account.made_from.clone(),
        profile: account.profile.map(Profile::name),
        plan: plan.id,
        requests_per_minute: plan.requests_per_minute,
        runner_requests_per_minute: plan.runner_requests_per_minute,
        balance: balance.to_string(),
        clock: ClockAnswer::of(&account.clock),
    }
}

/// `GET /_mynah/accounts`, in the order of creation.
pub(super) async fn list_accounts(
    State(registry): State<Arc<AccountRegistry>>,
) -> Result<Json<Vec<AccountAnswer>>, ControlError> {
    let all = registry.balances().await?;
    Ok(Json(all.into_iter().map(|(account, balance)| account_answer(&account, balance)).collect()))
}

/// `POST /_mynah/accounts`: a new account. Only this answer has its key.
pub(super) async fn create_account(
    State(registry): State<Arc<AccountRegistry>>,
    OptionalBody(body): OptionalBody<NewAccountBody>,
) -> Result<(StatusCode, Json<AccountAnswer>), ControlError> {
    if body.with.is_some() {
        let message = "with is for a fork: there is nothing to take along";
        return Err(FieldError::new("with", FieldErrorKind::NotAllowed, message).into());
    }
    let account = registry.create(body.checked()?).await?;
    Ok((StatusCode::CREATED, Json(answer_with_key(&registry, &account).await?)))
}

/// A new account, with its key.
pub(super) async fn answer_with_key(
    registry: &AccountRegistry,
    account: &AccountState,
) -> Result<AccountAnswer, ControlError> {
    let key = account.keys().first().map(ApiKey::reveal).map(str::to_owned);
    Ok(AccountAnswer { key, ..answer(registry, account).await? })
}

/// `GET /_mynah/accounts/{id}`.
pub(super) async fn get_account(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
) -> Result<Json<AccountAnswer>, ControlError> {
    let account = registry.require(&id)?;
    Ok(Json(answer(&registry, &account).await?))
}

/// `PATCH /_mynah/accounts/{id}`: plan, balance, limits.
pub(super) async fn update_account(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
    ControlBody(body): ControlBody<ChangesBody>,
) -> Result<Json<AccountAnswer>, ControlError> {
    let account = registry.change(&id, body.checked()?).await?;
    Ok(Json(answer(&registry, &account).await?))
}

/// `POST /_mynah/accounts/{id}/reset`: back to its initial state.
pub(super) async fn reset_account(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
    _: OptionalBody<NoFields>,
) -> Result<Json<AccountAnswer>, ControlError> {
    let account = registry.reset(&id).await?;
    Ok(Json(answer(&registry, &account).await?))
}

/// `DELETE /_mynah/accounts/{id}`, with all its data.
pub(super) async fn delete_account(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
) -> Result<StatusCode, ControlError> {
    registry.remove(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
