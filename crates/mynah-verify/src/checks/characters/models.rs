//! Models.

use super::refused;
use crate::check::{Check, characters, choice};
use crate::context::TestContext;
use crate::expect::{CheckFailure, Json};
use crate::need::Need;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "characters.models.llm",
        title: "language models have id, name, max_context and cost_per_1k_tokens",
        source: characters("Models"),
        needs: &[Need::Key],
        run: |context| Box::pin(llm(context)),
    },
    Check {
        id: "characters.models.sd",
        title: "image models have id and name",
        source: characters("Models"),
        needs: &[Need::Key],
        run: |context| Box::pin(sd(context)),
    },
    Check {
        id: "characters.models.sd_price",
        title: "image models have cost_per_image",
        source: choice("Characters API: models"),
        needs: &[Need::Key],
        run: |context| Box::pin(sd_price(context)),
    },
    Check {
        id: "characters.models.type_required",
        title: "a missing or unknown type is 400",
        source: characters("Models"),
        needs: &[Need::Key],
        run: |context| Box::pin(type_required(context)),
    },
];

fn each(
    list: &Json<'_>,
    check: impl Fn(&str) -> Result<(), CheckFailure>,
) -> Result<(), CheckFailure> {
    (0..list.list("")?.len()).try_for_each(|item| check(&format!("/{item}")))
}

async fn llm(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.get_own("/models?type=llm").await?;
    let list = response.ok_json()?;
    each(&list, |model| {
        list.non_empty_text(&format!("{model}/id"))?;
        list.non_empty_text(&format!("{model}/name"))?;
        list.integer(&format!("{model}/max_context"))?;
        let cost = list.number(&format!("{model}/cost_per_1k_tokens"))?;
        list.check(cost >= 0.0, "a cost of 0 or more")
    })
}

async fn sd(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.get_own("/models?type=sd").await?;
    let list = response.ok_json()?;
    each(&list, |model| {
        list.non_empty_text(&format!("{model}/id"))?;
        list.non_empty_text(&format!("{model}/name")).map(|_| ())
    })
}

async fn sd_price(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.get_own("/models?type=sd").await?;
    let list = response.ok_json()?;
    each(&list, |model| list.number(&format!("{model}/cost_per_image")).map(|_| ()))
}

async fn type_required(context: &TestContext) -> Result<(), CheckFailure> {
    refused(&context.get_own("/models").await?, 400)?;
    refused(&context.get_own("/models?type=poem").await?, 400)
}
