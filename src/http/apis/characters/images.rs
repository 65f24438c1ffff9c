//! Images (characters.txt, "Generate and retrieve AI-created images"), and their files.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::auth::CharactersAccount;
use super::error::CharactersError;
use crate::app::Images;
use crate::app::conversations::{Page, PageRequest};
use crate::app::images::NewImage;
use crate::clock::rfc3339;
use crate::domain::catalog::Image;
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::http::Shared;
use crate::http::base_url::BaseUrl;
use crate::http::extract::{Body, InPath};
use crate::http::response::error::HttpError;
use crate::http::response::json::Json;
use crate::http::response::lists::listed;
use crate::http::response::pages::ListQuery;
use crate::http::routes::{Routes, get};
use crate::ids::{ConversationId, ImageId, SdModelId};

pub(super) fn routes() -> Routes<Shared> {
    Routes::new()
        .route("/api/v1/images", get(list_images).post(create_image))
        // The pictures that links of this API point to; they need no key.
        .route("/images/{file}", get(get_picture))
}

/// The default page size.
const PAGE_SIZE: u64 = 10;

/// An image to create.
#[derive(Debug, Deserialize)]
pub(super) struct ImageBody {
    prompt: String,
    sd_model_id: SdModelId,
    conversation_id: Option<ConversationId>,
}

/// An image.
#[derive(Serialize)]
pub(super) struct ImageItem {
    id: ImageId,
    prompt: String,
    url: String,
    created_at: String,
}

/// One page of images.
#[derive(Serialize)]
pub(super) struct ImagesAnswer {
    data: Vec<ImageItem>,
    pagination: Pagination,
}

#[derive(Serialize)]
struct Pagination {
    total_items: u64,
    current_page: u64,
    page_size: u64,
    total_pages: u64,
    next_page: Option<u64>,
    prev_page: Option<u64>,
}

impl ImageBody {
    fn checked(self) -> Result<NewImage, FieldError> {
        if self.prompt.trim().is_empty() {
            let message = "prompt must not be empty";
            return Err(FieldError::new("prompt", FieldErrorKind::BadValue, message));
        }
        let ImageBody { prompt, sd_model_id, conversation_id } = self;
        Ok(NewImage { prompt, sd_model: sd_model_id, conversation: conversation_id })
    }
}

impl ImageItem {
    fn new(image: Image, base: &BaseUrl) -> Self {
        Self {
            url: base.image(image.id.as_str()),
            id: image.id,
            prompt: image.prompt,
            created_at: rfc3339(image.created_at),
        }
    }
}

impl Pagination {
    fn new(page: PageRequest, total: u64) -> Self {
        let total_pages = total.div_ceil(page.page_size);
        Self {
            total_items: total,
            current_page: page.page,
            page_size: page.page_size,
            total_pages,
            next_page: page.has_more(total).then(|| page.page + 1),
            prev_page: (page.page > 1).then(|| page.page - 1),
        }
    }
}

/// `GET /api/v1/images`: newest first.
pub(super) async fn list_images(
    CharactersAccount(session): CharactersAccount,
    State(images): State<Images>,
    base: BaseUrl,
    query: ListQuery,
) -> Result<Response, CharactersError> {
    let (page, _) = query.page(PAGE_SIZE)?;
    let Page { items, total } = images.list(&session, page).await?;
    let pagination = Pagination::new(page, total);
    let item = move |image| ImageItem::new(image, &base);
    Ok(listed(items, item, |data| ImagesAnswer { data, pagination }))
}

/// `POST /api/v1/images`.
pub(super) async fn create_image(
    CharactersAccount(session): CharactersAccount,
    State(images): State<Images>,
    base: BaseUrl,
    Body(body): Body<ImageBody>,
) -> Result<(StatusCode, Json<ImageItem>), CharactersError> {
    let image = images.create(&session, body.checked()?).await?;
    Ok((StatusCode::CREATED, Json(ImageItem::new(image, &base))))
}

/// An image file, which never changes.
pub(super) struct Png(Bytes);

impl IntoResponse for Png {
    fn into_response(self) -> Response {
        const PNG: HeaderValue = HeaderValue::from_static("image/png");
        const IMMUTABLE: HeaderValue =
            HeaderValue::from_static("public, max-age=31536000, immutable");
        let headers = [(header::CONTENT_TYPE, PNG), (header::CACHE_CONTROL, IMMUTABLE)];
        (headers, self.0).into_response()
    }
}

/// `GET /images/{id}.png`: the file of an image or of an agent's avatar. Needs no key.
pub(super) async fn get_picture(
    InPath(file): InPath<String>,
    State(images): State<Images>,
) -> Result<Png, CharactersError> {
    let id = file.strip_suffix(".png").ok_or(HttpError::UnknownPath)?;
    Ok(Png(images.picture(id.to_owned()).await?))
}
