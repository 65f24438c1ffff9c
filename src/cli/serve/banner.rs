//! The text that `mynah serve` prints when it is ready.

use std::net::SocketAddr;
use std::path::Path;

use crate::cli::client;
use crate::cli::serve_options::ServeOptions;
use crate::domain::{Api, ApiKey};
use crate::fixtures::Fixtures;
use crate::storage;

pub(super) fn banner(options: &ServeOptions, address: SocketAddr, fixtures: &Fixtures) -> String {
    let base = match &options.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("http://{}", client::reachable(address)),
    };
    let keys: Vec<String> = fixtures
        .accounts
        .iter()
        .filter(|account| !account.keys.is_empty())
        .map(|account| {
            let keys: Vec<&str> = account.keys.iter().map(ApiKey::reveal).collect();
            format!("    {:<12} {}\n", account.id.as_str(), keys.join(", "))
        })
        .collect();
    let curl = curl_commands(&base, fixtures).unwrap_or_default();
    format!(
        "Mynah {version}\n\n  Runner API      {base}{runner}\n  Characters API  {base}{characters}\n  Health          {base}/_mynah/health\n  \
         Database        {database}\n\n  Keys\n{keys}\n{curl}Ready on {base}\n",
        runner = Api::Runner.prefix(),
        characters = Api::Characters.prefix(),
        version = env!("CARGO_PKG_VERSION"),
        database = database_with_folder(&options.database),
        keys = keys.concat(),
    )
}

/// Commands that try a deployment; `None` if no deployment belongs to an account with a key.
fn curl_commands(base: &str, fixtures: &Fixtures) -> Option<String> {
    // The deployment that the API documents name is the last one.
    let (deployment, key) = fixtures.deployments.values().rev().find_map(|deployment| {
        let account = fixtures.accounts.iter().find(|account| account.id == deployment.owner)?;
        Some((deployment, account.keys.first()?.reveal()))
    })?;
    let start = format!("{base}{}/{}", Api::Runner.prefix(), deployment.id);
    let headers = format!("-H 'content-type: application/json' -H 'x-api-key: {key}'");
    let body = |text| format!("-d '{{\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}}'");
    Some(format!(
        "  Try it\n    curl {start} {headers} {}\n    curl -N {start}/stream {headers} {}\n\n",
        body("Your input message here."),
        body("Tell me a story."),
    ))
}

/// The URL of the database; a relative path is followed by its folder.
fn database_with_folder(url: &str) -> String {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    match std::env::current_dir() {
        Ok(here) if !storage::is_in_memory(url) && Path::new(path).is_relative() => {
            format!("{url} in {}", here.display())
        }
        _ => url.to_owned(),
    }
}
