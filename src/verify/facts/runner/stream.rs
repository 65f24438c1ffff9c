//! Streams: the same answer, in pieces of plain text.

use super::ANSWERED;
use crate::verify::expect::{Seen, Unmet};
use crate::verify::fact::{Fact, choice, overview};
use crate::verify::probe::{Probe, said};

pub(super) const FACTS: &[Fact] = &[
    Fact {
        id: "runner.stream.text",
        title: "a stream is plain text in UTF-8",
        source: overview("Streaming API"),
        needs: ANSWERED,
        check: |probe| Box::pin(text(probe)),
    },
    Fact {
        id: "runner.stream.pieces",
        title: "a stream arrives in more than one piece",
        source: overview("Streaming API"),
        needs: ANSWERED,
        check: |probe| Box::pin(pieces(probe)),
    },
    Fact {
        id: "runner.stream.no_framing",
        title: "a stream has no JSON framing and no counts of tokens",
        source: overview("Key Points"),
        needs: ANSWERED,
        check: |probe| Box::pin(no_framing(probe)),
    },
    Fact {
        id: "runner.stream.whole_characters",
        title: "no piece of a stream splits a character",
        source: choice("Runner API: streams"),
        needs: ANSWERED,
        check: |probe| Box::pin(whole_characters(probe)),
    },
    Fact {
        id: "runner.stream.headers",
        title: "a stream is chunked, neither stored nor buffered nor compressed on the way",
        source: choice("Runner API: streams"),
        needs: ANSWERED,
        check: |probe| Box::pin(headers(probe)),
    },
];

impl Probe {
    /// A run's stream.
    async fn stream_once(&self) -> Result<Seen, Unmet> {
        let story = "Tell me a story of about fifty words about a lighthouse keeper in Reykjavík.";
        let ask = async || self.ask_deployment("/stream", &said(story)).await;
        self.memo.stream.get_or_init(ask).await.clone()
    }

    /// The same, where something else than its coming is the matter.
    async fn good_stream(&self) -> Result<Seen, Unmet> {
        let seen = self.stream_once().await.map_err(Unmet::into_ground)?;
        is_plain_text(&seen).map_err(Unmet::into_ground)?;
        Ok(seen)
    }
}

/// Fails unless the answer is a stream of text.
pub(super) fn is_plain_text(seen: &Seen) -> Result<(), Unmet> {
    seen.status(&[200])?;
    let kind = seen.header("content-type");
    seen.check(kind.starts_with("text/plain"), "content-type text/plain", kind)?;
    let text = String::from_utf8(seen.bytes());
    seen.check(text.is_ok(), "a body in UTF-8", "bytes that are none")?;
    seen.check(text.is_ok_and(|text| !text.is_empty()), "a text that is not empty", "no text")
}

async fn text(probe: &Probe) -> Result<(), Unmet> {
    is_plain_text(&probe.stream_once().await?)
}

async fn pieces(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.good_stream().await?;
    let pieces = seen.pieces.len();
    seen.check(pieces > 1, "more than one piece", format!("{pieces} piece: {}", seen.text()))
}

async fn no_framing(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.good_stream().await?;
    let text = seen.text();
    let framed = ["data:", "event:", "{\"", "[{"].iter().any(|frame| text.starts_with(frame));
    let counted = text.contains("\"output_tokens\"") || text.contains("\"input_tokens\"");
    seen.check(!framed && !counted, "the text and nothing around it", text)
}

async fn whole_characters(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.good_stream().await?;
    let split = seen.pieces.iter().find(|piece| str::from_utf8(piece).is_err());
    let shown = split.map(|piece| String::from_utf8_lossy(piece).into_owned());
    seen.check(split.is_none(), "pieces of whole characters", shown.unwrap_or_default())
}

async fn headers(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.good_stream().await?;
    for (name, expected) in [
        ("transfer-encoding", "chunked"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
        ("content-encoding", ""),
    ] {
        let value = seen.header(name);
        seen.check(value == expected, format!("{name}: {expected}"), format!("{name}: {value}"))?;
    }
    Ok(())
}
