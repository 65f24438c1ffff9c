//! The samples of the OpenAPI documents as requests.

use anyhow::{Context as _, ensure};
use hyper::Method;
use mynah::domain::Api;
use mynah::openapi;

use super::client::RequestPlan;

/// All samples of both documents.
#[derive(Debug)]
pub(crate) struct Samples(Vec<RequestPlan>);

impl Samples {
    /// The samples of the compiled-in documents.
    pub(crate) fn of_documents() -> anyhow::Result<Self> {
        let mut samples = Vec::new();
        for room in Api::ALL {
            let collection = openapi::collection(room, "")?;
            for request in collection.split("\n### ").skip(1) {
                samples.push(parsed(request).with_context(|| format!("a sample: {request}"))?);
            }
        }
        ensure!(samples.len() > 20, "{} samples", samples.len());
        Ok(Self(samples))
    }

    /// All samples, with the key of an account that has a copy of the fixtures.
    pub(crate) fn all<'s>(&'s self, key: &'s str) -> impl Iterator<Item = RequestPlan> + 's {
        self.0.iter().map(move |sample| sample.clone().key(key))
    }

    /// The samples with a body.
    pub(crate) fn bodies<'s>(&'s self, key: &'s str) -> Vec<RequestPlan> {
        self.all(key).filter(|sample| !sample.body.is_empty()).collect()
    }
}

/// Parses a request of a `.http` file: a title, a line `METHOD {{server}}/path`, headers, an empty line,
/// the body.
fn parsed(request: &str) -> anyhow::Result<RequestPlan> {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let line = head.lines().find(|line| line.contains("{{server}}")).context("no target")?;
    let (method, target) = line.split_once(" {{server}}").context("no target")?;
    let plan = RequestPlan::new("sample", Method::from_bytes(method.as_bytes())?, target);
    let body = body.trim();
    Ok(if body.is_empty() { plan } else { plan.raw_json(body.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_are_the_documents_requests() {
        let samples = Samples::of_documents().unwrap();
        let all: Vec<_> = samples.all("key").collect();
        let run = all.iter().find(|it| it.target == "/v1/runner/YOUR_DEPLOYMENT_ID").unwrap();
        assert_eq!(run.method, Method::POST);
        assert!(
            serde_json::from_slice::<serde_json::Value>(&run.body).unwrap()["content"].is_array()
        );
        assert!(all.iter().any(|it| it.target.starts_with("/api/v1/models?type=")));
        assert!(all.iter().all(|it| !it.target.contains("{{")));
    }
}
