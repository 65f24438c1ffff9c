//! Makes `o200k_base.bin` from tiktoken's `o200k_base.tiktoken`:
//!
//! ```text
//! sha256sum o200k_base.tiktoken   # 446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d
//! cargo run -p o200k --example make_table < o200k_base.tiktoken > crates/o200k/o200k_base.bin
//! ```
//!
//! The file is published under `https://openaipublic.blob.core.windows.net/encodings/`, with its
//! checksum in tiktoken's `openai_public.py`; the crate `tiktoken-rs` carries the same file in its
//! `assets/`. Each line is a token: its bytes in base64, a space, its rank. `src/vocabulary.rs`
//! describes the layout of the table.

use std::error::Error;
use std::io::{Write, stdin, stdout};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

#[path = "../src/bucket.rs"]
mod bucket;

fn main() -> Result<(), Box<dyn Error>> {
    let mut buckets = vec![Vec::new(); bucket::BUCKETS];
    for line in stdin().lines() {
        let line = line?;
        let (token, rank) = line.split_once(' ').ok_or("a line without a rank")?;
        let token = STANDARD.decode(token)?;
        let [low, middle, high, 0] = rank.parse::<u32>()?.to_le_bytes() else {
            return Err("a rank of more than 24 bits".into());
        };
        let entries = buckets.get_mut(bucket::bucket(&token)).ok_or("a bucket too many")?;
        entries.extend([u8::try_from(token.len())?, low, middle, high]);
        entries.extend(token);
    }
    let mut offset = 0_u32;
    let mut out = stdout().lock();
    for entries in &buckets {
        out.write_all(&offset.to_le_bytes())?;
        offset += u32::try_from(entries.len())?;
    }
    out.write_all(&offset.to_le_bytes())?;
    for entries in &buckets {
        out.write_all(entries)?;
    }
    Ok(())
}
