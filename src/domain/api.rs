//! The emulated APIs: their names, and the paths that belong to each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The prefix of the images to which the Characters API links: outside of its own prefix, and available
/// without a key.
pub const IMAGES: &str = "/images";

/// One of the emulated HTTP APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// The Runner API.
    Runner,
    /// The Characters API.
    Characters,
}

impl Api {
    /// Every API.
    pub const ALL: [Self; 2] = [Self::Runner, Self::Characters];

    /// The name in fixtures, in storage, in paths and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runner => "runner",
            Self::Characters => "characters",
        }
    }

    /// The API called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.name() == name)
    }

    /// The name in text: `Runner API`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Runner => "Runner API",
            Self::Characters => "Characters API",
        }
    }

    /// The prefix of the API's paths, without a slash at its end.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Runner => "/v1/runner",
            Self::Characters => "/api/v1",
        }
    }

    /// All prefixes of the API's paths: that of agent runs is of a later version.
    pub const fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Runner => &["/v1/runner", "/v2/runner"],
            Self::Characters => &["/api/v1"],
        }
    }

    /// The API that `path` belongs to, whether or not there is a route for it.
    pub fn of_path(path: &str) -> Option<Self> {
        let prefixed = Self::ALL.into_iter().find(|api| api.needs_key(path));
        prefixed.or_else(|| is_below(path, IMAGES).then_some(Self::Characters))
    }

    /// Whether requests to `path`, which belongs to this API, need a key.
    pub fn needs_key(self, path: &str) -> bool {
        self.prefixes().iter().any(|prefix| is_below(path, prefix))
    }
}

/// Whether `path` is `prefix` or continues it after a slash.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_path_tells_its_api_and_whether_it_needs_a_key() {
        for (path, found) in [
            ("/v1/runner", Some((Api::Runner, true))),
            ("/v1/runner/", Some((Api::Runner, true))),
            ("/v1/runner/a/b/c", Some((Api::Runner, true))),
            ("/v2/runner/a/conversation", Some((Api::Runner, true))),
            ("/v1/runners", None),
            ("/api/v1", Some((Api::Characters, true))),
            ("/api/v1/images", Some((Api::Characters, true))),
            ("/images/a.png", Some((Api::Characters, false))),
            ("/_mynah/health", None),
            ("/", None),
        ] {
            let api = Api::of_path(path);
            assert_eq!(api.map(|api| (api, api.needs_key(path))), found, "{path}");
        }
    }
}
