//! Images, their pictures and their pages.

use serde_json::{Value, json};

use super::{DRAWN, refused};
use crate::verify::expect::{Json, Seen, Unmet};
use crate::verify::fact::{Fact, Need, characters, choice};
use crate::verify::probe::{Probe, escaped};

const KEY: &[Need] = &[Need::Key];

pub(super) const FACTS: &[Fact] = &[
    Fact {
        id: "characters.images.create",
        title: "a new image has id, prompt, url and created_at",
        source: characters("Images"),
        needs: DRAWN,
        check: |probe| Box::pin(create(probe)),
    },
    Fact {
        id: "characters.images.picture",
        title: "url leads to a picture",
        source: characters("Images"),
        needs: DRAWN,
        check: |probe| Box::pin(picture(probe)),
    },
    Fact {
        id: "characters.images.png",
        title: "an image's picture is a PNG that may be kept for ever",
        source: choice("Characters API: images"),
        needs: DRAWN,
        check: |probe| Box::pin(png(probe)),
    },
    Fact {
        id: "characters.images.list",
        title: "a page has data and pagination, and its numbers agree",
        source: characters("Images"),
        needs: KEY,
        check: |probe| Box::pin(list(probe)),
    },
    Fact {
        id: "characters.images.pages",
        title: "pages follow one another without overlap",
        source: characters("Images"),
        needs: KEY,
        check: |probe| Box::pin(pages(probe)),
    },
    Fact {
        id: "characters.images.newest_first",
        title: "the newest image stands first",
        source: choice("Characters API: images"),
        needs: DRAWN,
        check: |probe| Box::pin(newest_first(probe)),
    },
    Fact {
        id: "characters.images.in_conversation",
        title: "with conversation_id the image enters that conversation, with no text",
        source: characters("Images"),
        needs: &[Need::Key, Need::Model, Need::SdModel, Need::Spending],
        check: |probe| Box::pin(in_conversation(probe)),
    },
    Fact {
        id: "characters.images.required",
        title: "prompt and sd_model_id are required, else 400",
        source: characters("Images"),
        needs: &[Need::Key, Need::SdModel],
        check: |probe| Box::pin(required(probe)),
    },
    Fact {
        id: "characters.images.past_the_end",
        title: "past the end there is nothing, and next_page is null",
        source: choice("Characters API: images"),
        needs: KEY,
        check: |probe| Box::pin(past_the_end(probe)),
    },
    Fact {
        id: "characters.images.page_range",
        title: "page is 1 or more, page_size from 1 to 100, else 400",
        source: choice("Characters API: images"),
        needs: KEY,
        check: |probe| Box::pin(page_range(probe)),
    },
];

impl Probe {
    fn prompt(&self) -> String {
        format!("A lighthouse in a storm, number {}", self.run)
    }

    /// The answer that made the shared image, in the shared conversation where there is one.
    async fn image_made(&self) -> Result<Seen, Unmet> {
        let make = async || {
            let mut body = json!({"prompt": self.prompt(), "sd_model_id": self.sd_model()});
            let conversation = match self.target.model {
                Some(_) => self.dialogue().await.ok(),
                None => None,
            };
            if let (Some(id), Some(body)) = (conversation, body.as_object_mut()) {
                body.insert("conversation_id".to_owned(), json!(id));
            }
            self.make("/images", &body).await
        };
        self.memo.image.get_or_init(make).await.clone()
    }

    /// The shared image's answer, where something else than its coming is the matter.
    async fn image(&self) -> Result<Seen, Unmet> {
        let seen = self.image_made().await.map_err(Unmet::into_ground)?;
        seen.made().map_err(Unmet::into_ground)?.filled("/url").map_err(Unmet::into_ground)?;
        Ok(seen)
    }
}

/// Fails unless the bytes are those of a picture.
pub(super) fn is_picture(seen: &Seen) -> Result<(), Unmet> {
    seen.status(&[200])?;
    let kind = seen.header("content-type");
    seen.check(kind.starts_with("image/"), "content-type image/…", kind)?;
    let bytes = seen.bytes();
    let marks: [&[u8]; 4] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8"];
    let marked = marks.iter().any(|mark| bytes.starts_with(mark));
    seen.check(marked, "a PNG, JPEG, WebP or GIF", format!("{} other bytes", bytes.len()))
}

async fn create(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.image_made().await?;
    let body = seen.made()?;
    body.filled("/id")?;
    body.is("/prompt", &json!(probe.prompt()))?;
    body.filled("/url")?;
    body.time("/created_at").map(|_| ())
}

async fn picture(probe: &Probe) -> Result<(), Unmet> {
    let url = probe.image().await?.made()?.text("/url")?.to_owned();
    is_picture(&probe.fetch(&url).await?)
}

async fn png(probe: &Probe) -> Result<(), Unmet> {
    let url = probe.image().await?.made()?.text("/url")?.to_owned();
    let seen = probe.fetch(&url).await?;
    seen.status(&[200])?;
    let kept = "public, max-age=31536000, immutable";
    for (name, value) in [("content-type", "image/png"), ("cache-control", kept)] {
        seen.check(seen.header(name) == value, format!("{name}: {value}"), seen.header(name))?;
    }
    Ok(())
}

/// Fails unless the numbers of a page agree with each other and with what was asked for.
fn agrees(body: &Json<'_>, page: u64, page_size: u64) -> Result<(), Unmet> {
    let total = body.whole("/pagination/total_items")?;
    let pages = total.div_ceil(page_size);
    let here = total.saturating_sub((page - 1) * page_size).min(page_size);
    let count = body.list("/data")?.len();
    body.check(u64::try_from(count) == Ok(here), format!("{here} images on page {page}"))?;
    body.is("/pagination/current_page", &json!(page))?;
    body.is("/pagination/page_size", &json!(page_size))?;
    body.is("/pagination/total_pages", &json!(pages))?;
    let next = if page < pages { json!(page + 1) } else { Value::Null };
    let before = if page > 1 { json!(page - 1) } else { Value::Null };
    body.is("/pagination/next_page", &next)?;
    body.is("/pagination/prev_page", &before)
}

async fn list(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.look("/images?page=1&page_size=10").await?;
    let body = seen.good()?;
    agrees(&body, 1, 10)?;
    for item in 0..body.list("/data")?.len() {
        body.filled(&format!("/data/{item}/id"))?;
        body.text(&format!("/data/{item}/prompt"))?;
        body.filled(&format!("/data/{item}/url"))?;
        body.time(&format!("/data/{item}/created_at"))?;
    }
    Ok(())
}

async fn pages(probe: &Probe) -> Result<(), Unmet> {
    let first = probe.look("/images?page=1&page_size=2").await?;
    let first = first.good()?;
    agrees(&first, 1, 2)?;
    if first.whole("/pagination/total_pages")? < 2 {
        return Err(Unmet::Blocked("there are too few images for a second page".to_owned()));
    }
    let second = probe.look("/images?page=2&page_size=2").await?;
    let second = second.good()?;
    agrees(&second, 2, 2)?;
    let before = first.ids("/data")?;
    let overlap = second.ids("/data")?.iter().any(|id| before.contains(id));
    second.check(!overlap, format!("other images than {before:?}"))
}

async fn newest_first(probe: &Probe) -> Result<(), Unmet> {
    let id = probe.image().await?.made()?.at("/id")?.clone();
    let seen = probe.look("/images?page_size=1").await?;
    seen.good()?.is("/data/0/id", &id)
}

async fn in_conversation(probe: &Probe) -> Result<(), Unmet> {
    let dialogue = escaped(&probe.dialogue().await?);
    probe.image().await?;
    let seen = probe.look(&format!("/conversations/{dialogue}/messages")).await?;
    let list = seen.good()?;
    let blank = |content: Option<&Value>| {
        content.is_none_or(|content| content.is_null() || content.as_str() == Some(""))
    };
    let found = list.list("")?.iter().any(|message| blank(message.get("content")));
    list.check(found, "a message without text, which is the image")
}

async fn required(probe: &Probe) -> Result<(), Unmet> {
    for body in [json!({"sd_model_id": probe.sd_model()}), json!({"prompt": probe.prompt()})] {
        refused(&probe.make("/images", &body).await?, 400)?;
    }
    Ok(())
}

async fn past_the_end(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.look("/images?page=99999&page_size=100").await?;
    let body = seen.good()?;
    body.is("/data", &json!([]))?;
    body.is("/pagination/next_page", &Value::Null)
}

async fn page_range(probe: &Probe) -> Result<(), Unmet> {
    for query in ["page=0", "page_size=0", "page_size=101"] {
        refused(&probe.look(&format!("/images?{query}")).await?, 400)?;
    }
    Ok(())
}
