//! Makes the JSON form of the OpenAPI documents, so that nothing is parsed at run time.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

/// What every document names as its server; `src/openapi.rs` puts the true one in its place.
const SERVER: &str = "http://127.0.0.1:4310";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR")?;
    for room in ["runner", "characters"] {
        let source = format!("src/http/apis/{room}/openapi.yaml");
        println!("cargo::rerun-if-changed={source}");
        let json = json(&source).map_err(|why| format!("{source}: {why}"))?;
        fs::write(Path::new(&out).join(format!("{room}.json")), json)?;
    }
    Ok(())
}

/// The document in `source` as indented JSON, its keys in their order.
fn json(source: &str) -> Result<String, Box<dyn Error>> {
    let yaml = fs::read_to_string(source)?;
    // A plain scalar at the end of its line takes any URL without quotation marks.
    let servers = yaml.lines().filter(|line| line.trim() == format!("- url: {SERVER}")).count();
    if servers != 1 || yaml.matches(SERVER).count() != 1 {
        return Err(format!("wants one line `- url: {SERVER}`, and that URL nowhere else").into());
    }
    let document: serde_json::Value = serde_saphyr::from_str(&yaml)?;
    Ok(format!("{document:#}\n"))
}
