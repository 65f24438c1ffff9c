//! The OpenAPI documents as text, and a page to read and try them. Like health they need no key, since
//! they contain nothing of an account.
//!
//! The page is Swagger UI (assets/swagger-ui), compiled in as it is sent: gzipped. It loads nothing
//! from other servers, and its policy forbids that.

use axum::extract::FromRef;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::domain::Api;
use crate::http::base_url::{BaseUrl, PublicUrl};
use crate::http::routes::{Routes, get};
use crate::openapi::{self, Format};

/// The routes.
pub(crate) fn routes<S>() -> Routes<S>
where
    S: Clone + Send + Sync + 'static,
    PublicUrl: FromRef<S>,
{
    let document = |api, format| get(async move |base| document(api, format, &base));
    Routes::new()
        .route("/_mynah/openapi/runner.yaml", document(Api::Runner, Format::Yaml))
        .route("/_mynah/openapi/runner.json", document(Api::Runner, Format::Json))
        .route("/_mynah/openapi/characters.yaml", document(Api::Characters, Format::Yaml))
        .route("/_mynah/openapi/characters.json", document(Api::Characters, Format::Json))
        .route("/_mynah/docs", get(async || PAGE))
        // The page's links are relative, so that they hold behind a proxy with a prefix, too.
        .route("/_mynah/docs/", get(async || Redirect::permanent("../docs")))
        .route("/_mynah/docs/page.css", get(async || STYLE))
        .route("/_mynah/docs/page.js", get(async || SCRIPT))
        .route("/_mynah/docs/swagger-ui.css", get(async || SWAGGER_UI_STYLE))
        .route("/_mynah/docs/swagger-ui-bundle.js", get(async || SWAGGER_UI))
}

/// `GET /_mynah/openapi/{api}.yaml` and `.json`: a document with this server's own address.
fn document(api: Api, format: Format, base: &BaseUrl) -> Response {
    let content_type = match format {
        Format::Yaml => "application/yaml",
        Format::Json => "application/json",
    };
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")];
    (headers, openapi::document(api, format, base.as_str())).into_response()
}

/// A file of the page.
struct PageAsset {
    content_type: &'static str,
    /// Whether the content is gzipped, which every browser decodes.
    packed: bool,
    content: &'static [u8],
}

const PAGE: PageAsset = PageAsset {
    content_type: "text/html; charset=utf-8",
    packed: false,
    content: include_bytes!("docs/page.html"),
};

const STYLE: PageAsset = PageAsset {
    content_type: "text/css; charset=utf-8",
    packed: false,
    content: include_bytes!("docs/page.css"),
};

const SCRIPT: PageAsset = PageAsset {
    content_type: "text/javascript; charset=utf-8",
    packed: false,
    content: include_bytes!("docs/page.js"),
};

const SWAGGER_UI_STYLE: PageAsset = PageAsset {
    content_type: "text/css; charset=utf-8",
    packed: true,
    content: include_bytes!("../../../assets/swagger-ui/swagger-ui.css.gz"),
};

const SWAGGER_UI: PageAsset = PageAsset {
    content_type: "text/javascript; charset=utf-8",
    packed: true,
    content: include_bytes!("../../../assets/swagger-ui/swagger-ui-bundle.js.gz"),
};

/// Allows this server only. Swagger UI has images in its style sheet (`data:`), shows answers that are
/// images (`blob:`), and writes `style` attributes.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

impl IntoResponse for PageAsset {
    fn into_response(self) -> Response {
        const GZIP: HeaderValue = HeaderValue::from_static("gzip");
        // The page requests packed files with their version.
        let caching = if self.packed { "public, max-age=31536000, immutable" } else { "no-cache" };
        let headers = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CACHE_CONTROL, caching),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        let mut response = (headers, self.content).into_response();
        if self.packed {
            response.headers_mut().insert(header::CONTENT_ENCODING, GZIP);
        }
        response
    }
}
