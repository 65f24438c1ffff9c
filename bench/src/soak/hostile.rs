//! Corrupted bodies for every operation that takes one.

use fastrand::Rng;
use hyper::Method;
use serde_json::Value;

use super::client::RequestPlan;
use super::round::Round;
use super::tally::Expectation;

/// The size of most bodies, in bytes.
const USUAL: usize = 64 * 1024;
/// A little less than the documented maximum of 10 MiB.
const LARGE: usize = 10 * 1024 * 1024 - 1024;

/// A way to corrupt a body.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Numbers,
    Nesting,
    Objects,
    LongString,
    NotUtf8,
    CutOff,
    Empty,
    WrongTypes,
    Duplicates,
    NotJson,
    Unlabelled,
    Garbage,
}

impl Shape {
    const ALL: [Self; 12] = [
        Self::Numbers,
        Self::Nesting,
        Self::Objects,
        Self::LongString,
        Self::NotUtf8,
        Self::CutOff,
        Self::Empty,
        Self::WrongTypes,
        Self::Duplicates,
        Self::NotJson,
        Self::Unlabelled,
        Self::Garbage,
    ];

    /// `plan` with a corrupted body of about `size` bytes, based on its own body.
    fn corrupted(self, plan: RequestPlan, size: usize, rng: &mut Rng) -> RequestPlan {
        let own = String::from_utf8_lossy(&plan.body).into_owned();
        let inside = |what: &str| match own.trim_end().strip_suffix('}') {
            Some("{" | "") | None => format!("{{\"variables\":{what}}}"),
            Some(own) => format!("{own},\"variables\":{what}}}"),
        };
        let body: Vec<u8> = match self {
            Self::Numbers => inside(&format!("{{\"a\":[{}0]}}", "0,".repeat(size / 2))).into(),
            Self::Nesting => inside(&"[".repeat(size)).into(),
            Self::Objects => {
                inside(&format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100))).into()
            }
            Self::LongString => inside(&format!("{{\"a\":\"{}\"}}", "x".repeat(size))).into(),
            Self::NotUtf8 => [own.as_bytes(), b"\xff\xfe\"", own.as_bytes()].concat(),
            Self::CutOff => own.get(..own.len() / 2).unwrap_or_default().into(),
            Self::Empty => Vec::new(),
            Self::WrongTypes => wrong_types(&own, rng),
            Self::Duplicates => inside(&format!("{}null", "{},\"variables\":".repeat(500))).into(),
            Self::NotJson | Self::Unlabelled => own.into(),
            Self::Garbage => std::iter::repeat_with(|| rng.u8(..)).take(1000).collect(),
        };
        let mut plan = RequestPlan { kind: "hostile body", body: body.into(), ..plan };
        let labelled = |name: &str| name.eq_ignore_ascii_case("content-type");
        match self {
            Self::Unlabelled => plan.headers.retain(|(name, _)| !labelled(name)),
            Self::NotJson => {
                for (_, value) in plan.headers.iter_mut().filter(|(name, _)| labelled(name)) {
                    "text/plain".clone_into(value);
                }
            }
            _ => {}
        }
        plan.expected(Expectation::Answer)
    }
}

/// The JSON object `own` with a value of another type in each field.
fn wrong_types(own: &str, rng: &mut Rng) -> Vec<u8> {
    let others =
        ["null", "-1", "1.10", "1e400", "\"\"", "[]", "{}", "true", "18446744073709551616"];
    let Ok(Value::Object(fields)) = serde_json::from_str(own) else { return b"[1]".to_vec() };
    let fields = fields.keys().map(|name| {
        let other = rng.choice(others).unwrap_or_default();
        format!("{}:{other}", Value::from(name.as_str()))
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(",")).into()
}

/// Sends a corrupted body to every operation that takes one, each in a random way.
pub(crate) async fn bodies(round: &mut Round<'_>) -> anyhow::Result<()> {
    let mut plans = round.shared.samples.bodies(&round.account.key);
    for (method, target) in round.shared.operations.control_bodies(&round.account.id) {
        let method = Method::from_bytes(method.as_bytes())?;
        plans.push(RequestPlan::new("hostile body", method, target).raw_json("{}"));
    }
    for plan in plans {
        let shape = round.rng.choice(Shape::ALL).unwrap_or(Shape::Garbage);
        let corrupted = shape.corrupted(plan, USUAL, &mut round.rng);
        let created = round.client.send(corrupted).await?;
        forget(round, created.map(|response| response.text().unwrap_or_default())).await?;
    }
    Ok(())
}

/// Removes the account if a corrupted body created one.
async fn forget(round: &mut Round<'_>, answer: Option<String>) -> anyhow::Result<()> {
    let answer: Value = serde_json::from_str(&answer.unwrap_or_default()).unwrap_or_default();
    match (answer.get("id").and_then(Value::as_str), answer.get("key")) {
        (Some(id), Some(_)) => {
            let path = format!("/_mynah/accounts/{id}");
            round.send(RequestPlan::new("account", Method::DELETE, path)).await
        }
        _ => Ok(()),
    }
}

/// Sends one body of the maximum size, of a shape that is expensive to parse or long.
pub(crate) async fn large(round: &mut Round<'_>) -> anyhow::Result<()> {
    let samples = round.shared.samples.bodies(&round.account.key);
    let shapes = [Shape::Numbers, Shape::LongString, Shape::Nesting];
    let (sample, shape) = (round.rng.choice(samples), round.rng.choice(shapes));
    let Some((sample, shape)) = sample.zip(shape) else { return Ok(()) };
    let large =
        RequestPlan { kind: "large body", ..shape.corrupted(sample, LARGE, &mut round.rng) };
    round.send(large).await
}
