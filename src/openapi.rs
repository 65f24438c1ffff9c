//! The OpenAPI documents of the two APIs. Each stands beside the code of its room
//! (`src/http/apis/runner/openapi.yaml`, `src/http/apis/characters/openapi.yaml`).
//!
//! They are written by hand, in YAML. The build script makes JSON of them, so that both forms lie
//! in the binary as text and nothing is parsed when the server runs. [`ApiDocument::collection`] makes a file
//! of requests of a document.

mod collection;

use serde_json::Value;

/// The server that the documents name as they are written. It occurs in each of them once, which
/// the build script holds.
pub const SERVER: &str = "http://127.0.0.1:4310";

/// One of the two APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiDocument {
    /// The Runner API, below `/v1/runner`.
    Runner,
    /// The Characters API, below `/api/v1`.
    Characters,
}

/// How a document is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As it is written by hand, with its comments.
    Yaml,
    /// The same content, indented, its keys in the same order.
    Json,
}

impl ApiDocument {
    /// Both.
    #[cfg(any(test, feature = "internals"))]
    pub const ALL: [Self; 2] = [Self::Runner, Self::Characters];

    /// Its name in paths and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runner => "runner",
            Self::Characters => "characters",
        }
    }

    /// The document as YAML, its server being [`SERVER`].
    pub fn yaml(self) -> &'static str {
        match self {
            Self::Runner => include_str!("http/apis/runner/openapi.yaml"),
            Self::Characters => include_str!("http/apis/characters/openapi.yaml"),
        }
    }

    /// The document as JSON, its server being [`SERVER`].
    pub fn json(self) -> &'static str {
        match self {
            Self::Runner => include_str!(concat!(env!("OUT_DIR"), "/runner.json")),
            Self::Characters => include_str!(concat!(env!("OUT_DIR"), "/characters.json")),
        }
    }

    /// The document for clients that reach the server under `server`: a URL without a slash at its
    /// end, since the paths behind it begin with one.
    pub fn document(self, format: Format, server: &str) -> String {
        // In quotation marks it is a string in JSON and in YAML, whatever is in it.
        let server = Value::from(server).to_string();
        match format {
            Format::Yaml => self.yaml().replacen(SERVER, &server, 1),
            Format::Json => self.json().replacen(&format!("\"{SERVER}\""), &server, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_put_in_as_one_string_whatever_is_in_it() {
        for server in ["https://mynah.example/base", "http://[::1]:80", "x\"\\: #'{}\n- a:"] {
            for room in ApiDocument::ALL {
                let json: Value =
                    serde_json::from_str(&room.document(Format::Json, server)).unwrap();
                let yaml: Value =
                    serde_saphyr::from_str(&room.document(Format::Yaml, server)).unwrap();
                assert_eq!(json["servers"][0]["url"], server);
                assert_eq!(json, yaml);
            }
        }
    }
}
