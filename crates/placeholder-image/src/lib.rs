//! Renders a 512×512 PNG placeholder for a text-to-image prompt: the prompt as a caption over a scene
//! that is chosen and varied by prompt and model.
//!
//! The same input gives the same bytes on every machine. Therefore nothing here uses the time, a random
//! source, the system's fonts or libm, and tiny-skia's feature `simd` stays off.
//!
//! Modules: [`selection`] chooses what is drawn, [`palette`] the colours, [`caption`] sets the text.

#![expect(clippy::unreadable_literal, reason = "colours are written 0xRRGGBB")]

mod abstracts;
mod canvas;
mod caption;
mod keywords;
mod landscapes;
mod palette;
mod portrait;
mod scene;
mod selection;

use png::{BitDepth, ColorType, Compression, Encoder, EncodingError, Filter};
use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use thiserror::Error;

/// Width and height in pixels.
const SIDE: u16 = 512;

/// Hash key. Changing it changes every picture.
const KEY: (u64, u64) = (0x6d79_6e61_6820_7061, 0x696e_7473_2031_3233);

/// Characters of a prompt that are used. Four caption lines hold fewer.
const MAX_CHARS: usize = 400;

/// Why rendering failed. No prompt causes these errors; they mean a broken build.
#[derive(Debug, Error)]
pub enum RenderError {
    /// The canvas could not be allocated.
    #[error("no canvas of {SIDE} by {SIDE} pixels")]
    Canvas,
    /// The embedded font could not be parsed.
    #[error("unreadable caption font")]
    Font(#[source] ttf_parser::FaceParsingError),
    /// The picture could not be encoded as PNG.
    #[error("picture could not be encoded")]
    Encode(#[source] EncodingError),
}

/// A 512×512 PNG (8-bit RGB) that shows `prompt` as a caption over a scene derived from `prompt` and
/// `model`. The same input gives the same bytes on every machine.
///
/// Words such as "beach", "city" or "years old" choose the scene; the details are pseudo-random.
/// Takes a few milliseconds of processor time and three megabytes, independent of the prompt's length.
pub fn render(prompt: &str, model: &str) -> Result<Vec<u8>, RenderError> {
    let mut rng = SeededRng::new(prompt, model);
    let prompt = normalize(prompt);
    let mut canvas = canvas::Canvas::new().ok_or(RenderError::Canvas)?;
    let palette = selection::draw(&mut canvas, &mut rng, &prompt);
    caption::draw(&mut canvas, &prompt, &normalize(model), palette.light)?;
    encode(&canvas)
}

/// `text` as one line of at most [`MAX_CHARS`] characters. Control characters and runs of white space
/// become single spaces.
fn normalize(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let beginning: String = text.trim_start().chars().map(plain).take(4 * MAX_CHARS).collect();
    let words: Vec<&str> = beginning.split_whitespace().collect();
    words.join(" ").chars().take(MAX_CHARS).collect()
}

/// Fast compression is small enough: `Balanced` saves a third and takes three times as long; fixed
/// filters other than Paeth enlarge the file.
fn encode(canvas: &canvas::Canvas) -> Result<Vec<u8>, RenderError> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, u32::from(SIDE), u32::from(SIDE));
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    encoder.set_filter(Filter::Adaptive);
    let mut writer = encoder.write_header().map_err(RenderError::Encode)?;
    writer.write_image_data(&canvas.to_rgb_bytes()).map_err(RenderError::Encode)?;
    writer.finish().map_err(RenderError::Encode)?;
    Ok(file)
}

/// Pseudo-random numbers that depend on prompt and model alone.
struct SeededRng {
    seed: u64,
    draws: u64,
}

impl SeededRng {
    fn new(prompt: &str, model: &str) -> Self {
        let mut hasher = SipHasher24::new_with_keys(KEY.0, KEY.1);
        hasher.write(model.as_bytes());
        hasher.write(&[0xff]); // never in UTF-8, so ("ab", "c") and ("a", "bc") differ
        hasher.write(prompt.as_bytes());
        Self { seed: hasher.finish(), draws: 0 }
    }

    fn next_u16(&mut self) -> u16 {
        self.draws = self.draws.wrapping_add(1);
        let bits = SipHasher24::new_with_keys(self.seed, KEY.1).hash(&self.draws.to_le_bytes());
        let [low, high, ..] = bits.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// A number from `low` to `high`.
    fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (f32::from(self.next_u16()) / f32::from(u16::MAX))
    }

    /// A position or length from `low` to `high` in multiples of a quarter of a pixel.
    fn quarter_pixels(&mut self, low: f32, high: f32) -> f32 {
        (self.range(low, high) * 4.0).round() / 4.0
    }

    /// True with a probability of `percent` / 100.
    fn percent(&mut self, percent: u16) -> bool {
        self.next_u16() % 100 < percent
    }

    /// One of `choices`, or `otherwise` if there are none.
    fn choose<T: Copy>(&mut self, choices: &[T], otherwise: T) -> T {
        let at = usize::from(self.next_u16()).checked_rem(choices.len());
        at.and_then(|at| choices.get(at)).copied().unwrap_or(otherwise)
    }
}

#[cfg(test)]
mod tests;
