//! The OpenAPI documents of the APIs. Each stands beside the code of its API
//! (`src/http/apis/runner/openapi.yaml`, `src/http/apis/characters/openapi.yaml`).
//!
//! They are written by hand, in YAML. The build script converts them to JSON; both forms are compiled
//! in as text, so nothing is parsed at run time. [`collection`] converts a document's samples to a file of
//! requests.

mod collection;

use serde_json::Value;

pub use self::collection::collection;
use crate::domain::Api;

/// The server URL in the documents as they are written. The build script checks that it occurs in each
/// of them once.
pub const SERVER: &str = "http://127.0.0.1:4310";

/// The form of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As it is written by hand, with comments.
    Yaml,
    /// The same content, indented, its keys in the same order.
    Json,
}

/// The document of `api` as YAML, its server being [`SERVER`].
pub fn yaml(api: Api) -> &'static str {
    match api {
        Api::Runner => include_str!("http/apis/runner/openapi.yaml"),
        Api::Characters => include_str!("http/apis/characters/openapi.yaml"),
    }
}

/// The document of `api` as JSON, its server being [`SERVER`].
pub fn json(api: Api) -> &'static str {
    match api {
        Api::Runner => include_str!(concat!(env!("OUT_DIR"), "/runner.json")),
        Api::Characters => include_str!(concat!(env!("OUT_DIR"), "/characters.json")),
    }
}

/// The document of `api` for clients that reach the server under `server`: a URL without a slash at
/// its end, since the paths in the document begin with one.
pub fn document(api: Api, format: Format, server: &str) -> String {
    // A JSON string in quotation marks is also a YAML string, whatever its content.
    let server = Value::from(server).to_string();
    match format {
        Format::Yaml => yaml(api).replacen(SERVER, &server, 1),
        Format::Json => json(api).replacen(&format!("\"{SERVER}\""), &server, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_inserted_as_one_string_whatever_its_content() {
        for server in ["https://mynah.example/base", "http://[::1]:80", "x\"\\: #'{}\n- a:"] {
            for api in Api::ALL {
                let json: Value =
                    serde_json::from_str(&document(api, Format::Json, server)).unwrap();
                let yaml: Value =
                    serde_saphyr::from_str(&document(api, Format::Yaml, server)).unwrap();
                assert_eq!(json["servers"][0]["url"], server);
                assert_eq!(json, yaml);
            }
        }
    }
}
