//! Models.

use super::refused;
use crate::verify::expect::{Json, Unmet};
use crate::verify::fact::{Fact, Need, characters, choice};
use crate::verify::probe::Probe;

pub(super) const FACTS: &[Fact] = &[
    Fact {
        id: "characters.models.llm",
        title: "language models have id, name, max_context and cost_per_1k_tokens",
        source: characters("Models"),
        needs: &[Need::Key],
        check: |probe| Box::pin(llm(probe)),
    },
    Fact {
        id: "characters.models.sd",
        title: "models that make pictures have id and name",
        source: characters("Models"),
        needs: &[Need::Key],
        check: |probe| Box::pin(sd(probe)),
    },
    Fact {
        id: "characters.models.sd_price",
        title: "models that make pictures have cost_per_image",
        source: choice("Characters API: models"),
        needs: &[Need::Key],
        check: |probe| Box::pin(sd_price(probe)),
    },
    Fact {
        id: "characters.models.type_required",
        title: "without type, or with another, it is 400",
        source: characters("Models"),
        needs: &[Need::Key],
        check: |probe| Box::pin(type_required(probe)),
    },
];

fn each(list: &Json<'_>, check: impl Fn(&str) -> Result<(), Unmet>) -> Result<(), Unmet> {
    (0..list.list("")?.len()).try_for_each(|item| check(&format!("/{item}")))
}

async fn llm(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.look("/models?type=llm").await?;
    let list = seen.good()?;
    each(&list, |model| {
        list.filled(&format!("{model}/id"))?;
        list.filled(&format!("{model}/name"))?;
        list.whole(&format!("{model}/max_context"))?;
        let cost = list.number(&format!("{model}/cost_per_1k_tokens"))?;
        list.check(cost >= 0.0, "a cost of 0 or more")
    })
}

async fn sd(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.look("/models?type=sd").await?;
    let list = seen.good()?;
    each(&list, |model| {
        list.filled(&format!("{model}/id"))?;
        list.filled(&format!("{model}/name")).map(|_| ())
    })
}

async fn sd_price(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.look("/models?type=sd").await?;
    let list = seen.good()?;
    each(&list, |model| list.number(&format!("{model}/cost_per_image")).map(|_| ()))
}

async fn type_required(probe: &Probe) -> Result<(), Unmet> {
    refused(&probe.look("/models").await?, 400)?;
    refused(&probe.look("/models?type=poem").await?, 400)
}
