//! Images, their pictures and their pages.

use serde_json::{Value, json};

use super::{IMAGE, refused};
use crate::check::{Check, characters, choice};
use crate::context::{TestContext, escape_segment};
use crate::expect::{CheckFailure, Json, Response};
use crate::need::Need;

const KEY: &[Need] = &[Need::Key];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "characters.images.create",
        title: "a new image has id, prompt, url and created_at",
        source: characters("Images"),
        needs: IMAGE,
        run: |context| Box::pin(create(context)),
    },
    Check {
        id: "characters.images.picture",
        title: "url serves a picture",
        source: characters("Images"),
        needs: IMAGE,
        run: |context| Box::pin(picture(context)),
    },
    Check {
        id: "characters.images.png",
        title: "an image's picture is a PNG that may be cached without limit",
        source: choice("Characters API: images"),
        needs: IMAGE,
        run: |context| Box::pin(png(context)),
    },
    Check {
        id: "characters.images.list",
        title: "a page has data and pagination, with consistent numbers",
        source: characters("Images"),
        needs: KEY,
        run: |context| Box::pin(list(context)),
    },
    Check {
        id: "characters.images.pages",
        title: "pages follow one another without overlap",
        source: characters("Images"),
        needs: KEY,
        run: |context| Box::pin(pages(context)),
    },
    Check {
        id: "characters.images.newest_first",
        title: "the newest image comes first",
        source: choice("Characters API: images"),
        needs: IMAGE,
        run: |context| Box::pin(newest_first(context)),
    },
    Check {
        id: "characters.images.in_conversation",
        title: "with conversation_id the image is added to that conversation, without text",
        source: characters("Images"),
        needs: &[Need::Key, Need::Model, Need::SdModel, Need::Spending],
        run: |context| Box::pin(in_conversation(context)),
    },
    Check {
        id: "characters.images.required",
        title: "prompt and sd_model_id are required, else 400",
        source: characters("Images"),
        needs: &[Need::Key, Need::SdModel],
        run: |context| Box::pin(required(context)),
    },
    Check {
        id: "characters.images.past_the_end",
        title: "a page past the end is empty, and next_page is null",
        source: choice("Characters API: images"),
        needs: KEY,
        run: |context| Box::pin(past_the_end(context)),
    },
    Check {
        id: "characters.images.page_range",
        title: "page is 1 or more, page_size from 1 to 100, else 400",
        source: choice("Characters API: images"),
        needs: KEY,
        run: |context| Box::pin(page_range(context)),
    },
];

impl TestContext {
    fn prompt(&self) -> String {
        format!("A lighthouse in a storm, number {}", self.run)
    }

    /// The response that created the shared image, in the shared conversation if there is one.
    async fn created_image(&self) -> Result<Response, CheckFailure> {
        let post = async || {
            let mut body = json!({"prompt": self.prompt(), "sd_model_id": self.sd_model()});
            let conversation = match self.target.model {
                Some(_) => self.characters_conversation_id().await.ok(),
                None => None,
            };
            if let (Some(id), Some(body)) = (conversation, body.as_object_mut()) {
                body.insert("conversation_id".to_owned(), json!(id));
            }
            self.post_own("/images", &body).await
        };
        self.shared.image.get_or_init(post).await.clone()
    }

    /// The response that created the shared image, for checks that need the image.
    async fn image(&self) -> Result<Response, CheckFailure> {
        let response = self.created_image().await.map_err(CheckFailure::into_blocked)?;
        response
            .created_json()
            .map_err(CheckFailure::into_blocked)?
            .non_empty_text("/url")
            .map_err(CheckFailure::into_blocked)?;
        Ok(response)
    }
}

/// Fails unless the response is a picture.
pub(super) fn is_picture(response: &Response) -> Result<(), CheckFailure> {
    response.status(&[200])?;
    let kind = response.header("content-type");
    response.check(kind.starts_with("image/"), "content-type image/…", kind)?;
    let bytes = response.bytes();
    let marks: [&[u8]; 4] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8"];
    let marked = marks.iter().any(|mark| bytes.starts_with(mark));
    response.check(marked, "a PNG, JPEG, WebP or GIF", format!("{} other bytes", bytes.len()))
}

async fn create(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.created_image().await?;
    let body = response.created_json()?;
    body.non_empty_text("/id")?;
    body.is("/prompt", &json!(context.prompt()))?;
    body.non_empty_text("/url")?;
    body.time("/created_at").map(|_| ())
}

async fn picture(context: &TestContext) -> Result<(), CheckFailure> {
    let url = context.image().await?.created_json()?.text("/url")?.to_owned();
    is_picture(&context.fetch(&url).await?)
}

async fn png(context: &TestContext) -> Result<(), CheckFailure> {
    let url = context.image().await?.created_json()?.text("/url")?.to_owned();
    let response = context.fetch(&url).await?;
    response.status(&[200])?;
    let kept = "public, max-age=31536000, immutable";
    for (name, value) in [("content-type", "image/png"), ("cache-control", kept)] {
        response.check(
            response.header(name) == value,
            format!("{name}: {value}"),
            response.header(name),
        )?;
    }
    Ok(())
}

/// Fails unless the numbers of a page are consistent and match the request.
fn check_page(body: &Json<'_>, page: u64, page_size: u64) -> Result<(), CheckFailure> {
    let total = body.integer("/pagination/total_items")?;
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

async fn list(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.get_own("/images?page=1&page_size=10").await?;
    let body = response.ok_json()?;
    check_page(&body, 1, 10)?;
    for item in 0..body.list("/data")?.len() {
        body.non_empty_text(&format!("/data/{item}/id"))?;
        body.text(&format!("/data/{item}/prompt"))?;
        body.non_empty_text(&format!("/data/{item}/url"))?;
        body.time(&format!("/data/{item}/created_at"))?;
    }
    Ok(())
}

async fn pages(context: &TestContext) -> Result<(), CheckFailure> {
    let first = context.get_own("/images?page=1&page_size=2").await?;
    let first = first.ok_json()?;
    check_page(&first, 1, 2)?;
    if first.integer("/pagination/total_pages")? < 2 {
        return Err(CheckFailure::Blocked("not enough images for a second page".to_owned()));
    }
    let second = context.get_own("/images?page=2&page_size=2").await?;
    let second = second.ok_json()?;
    check_page(&second, 2, 2)?;
    let before = first.ids("/data")?;
    let overlap = second.ids("/data")?.iter().any(|id| before.contains(id));
    second.check(!overlap, format!("images other than {before:?}"))
}

async fn newest_first(context: &TestContext) -> Result<(), CheckFailure> {
    let id = context.image().await?.created_json()?.at("/id")?.clone();
    let response = context.get_own("/images?page_size=1").await?;
    response.ok_json()?.is("/data/0/id", &id)
}

async fn in_conversation(context: &TestContext) -> Result<(), CheckFailure> {
    let conversation = escape_segment(&context.characters_conversation_id().await?);
    context.image().await?;
    let response = context.get_own(&format!("/conversations/{conversation}/messages")).await?;
    let list = response.ok_json()?;
    let blank = |content: Option<&Value>| {
        content.is_none_or(|content| content.is_null() || content.as_str() == Some(""))
    };
    let found = list.list("")?.iter().any(|message| blank(message.get("content")));
    list.check(found, "a message without text, which is the image")
}

async fn required(context: &TestContext) -> Result<(), CheckFailure> {
    for body in [json!({"sd_model_id": context.sd_model()}), json!({"prompt": context.prompt()})] {
        refused(&context.post_own("/images", &body).await?, 400)?;
    }
    Ok(())
}

async fn past_the_end(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.get_own("/images?page=99999&page_size=100").await?;
    let body = response.ok_json()?;
    body.is("/data", &json!([]))?;
    body.is("/pagination/next_page", &Value::Null)
}

async fn page_range(context: &TestContext) -> Result<(), CheckFailure> {
    for query in ["page=0", "page_size=0", "page_size=101"] {
        refused(&context.get_own(&format!("/images?{query}")).await?, 400)?;
    }
    Ok(())
}
