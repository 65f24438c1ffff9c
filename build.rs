//! Converts the OpenAPI documents to JSON, so that nothing is parsed at run time.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

/// The server URL in every document; `src/openapi.rs` replaces it.
const SERVER: &str = "http://127.0.0.1:4310";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR")?;
    for api in ["runner", "characters"] {
        let source = format!("src/http/apis/{api}/openapi.yaml");
        println!("cargo::rerun-if-changed={source}");
        let json = json(&source).map_err(|error| format!("{source}: {error}"))?;
        fs::write(Path::new(&out).join(format!("{api}.json")), json)?;
    }
    Ok(())
}

/// The document in `source` as indented JSON with its order of keys.
fn json(source: &str) -> Result<String, Box<dyn Error>> {
    let yaml = fs::read_to_string(source)?;
    // A plain scalar at the end of a line can be replaced by any URL without quoting.
    let servers = yaml.lines().filter(|line| line.trim() == format!("- url: {SERVER}")).count();
    if servers != 1 || yaml.matches(SERVER).count() != 1 {
        return Err(
            format!("expected one line `- url: {SERVER}`, and that URL nowhere else").into()
        );
    }
    let document: serde_json::Value = serde_saphyr::from_str(&yaml)?;
    Ok(format!("{document:#}\n"))
}
