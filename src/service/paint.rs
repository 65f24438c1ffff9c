//! The picture an image request is answered with: 512×512, the prompt as its caption, everything
//! else rolled from prompt and model. The same input gives the same bytes on every machine, so
//! nothing here asks the time, chance, the system's fonts or libm; tiny-skia's `simd` feature stays
//! off for the same reason.
//!
//! Read on in `scene` (what is painted), `palette` (in which colours) and `caption` (the words).

#![expect(clippy::unreadable_literal, reason = "colours are written as everywhere: 0xRRGGBB")]

mod brush;
mod caption;
mod figure;
mod indoors;
mod outdoors;
mod palette;
mod scene;

use png::{BitDepth, ColorType, Compression, Encoder, EncodingError, Filter};
use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use thiserror::Error;

/// Width and height in pixels.
const SIDE: u16 = 512;

/// Fixed for ever: another key paints every picture anew.
const KEY: (u64, u64) = (0x6d79_6e61_6820_7061, 0x696e_7473_2031_3233);

/// Characters of a prompt that are read, for the scene and for the caption; four lines hold fewer.
const READ: usize = 400;

/// Why there is no picture. No prompt causes one of these; they mean a broken build.
#[derive(Debug, Error)]
pub(super) enum PaintError {
    /// The canvas could not be laid out.
    #[error("no canvas of {SIDE} by {SIDE} pixels")]
    Canvas,
    /// The embedded font is not a font.
    #[error("unreadable caption font")]
    Font(#[source] ttf_parser::FaceParsingError),
    /// The finished picture could not be written as PNG.
    #[error("picture could not be encoded")]
    Encode(#[source] EncodingError),
}

/// A 512×512 PNG (8-bit RGB) that shows `prompt` as a caption over a composition derived from
/// `prompt` and `model`; the same bytes for the same input, on any machine.
///
/// Words such as "beach", "city" or "years old" choose the scene, the rest is rolled. Takes a few
/// milliseconds of processor time and three megabytes, however long the prompt is.
pub(super) fn paint(prompt: &str, model: &str) -> Result<Vec<u8>, PaintError> {
    let mut dice = Dice::thrown_for(prompt, model);
    let prompt = tidy(prompt);
    let mut canvas = brush::Canvas::new().ok_or(PaintError::Canvas)?;
    let palette = scene::compose(&mut canvas, &mut dice, &prompt);
    caption::write(&mut canvas, &prompt, &tidy(model), palette.light)?;
    encode(&canvas)
}

/// One line of at most [`READ`] characters: control characters and runs of white space are one
/// space.
fn tidy(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let beginning: String = text.trim_start().chars().map(plain).take(4 * READ).collect();
    let words: Vec<&str> = beginning.split_whitespace().collect();
    words.join(" ").chars().take(READ).collect()
}

/// Fast and small enough: `Balanced` saves a third and takes three times as long, any fixed filter
/// but Paeth enlarges it.
fn encode(canvas: &brush::Canvas) -> Result<Vec<u8>, PaintError> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, u32::from(SIDE), u32::from(SIDE));
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    encoder.set_filter(Filter::Adaptive);
    let mut writer = encoder.write_header().map_err(PaintError::Encode)?;
    writer.write_image_data(&canvas.rgb()).map_err(PaintError::Encode)?;
    writer.finish().map_err(PaintError::Encode)?;
    Ok(file)
}

/// Numbers that look random and depend on prompt and model alone.
struct Dice {
    seed: u64,
    throws: u64,
}

impl Dice {
    fn thrown_for(prompt: &str, model: &str) -> Self {
        let mut hasher = SipHasher24::new_with_keys(KEY.0, KEY.1);
        hasher.write(model.as_bytes());
        hasher.write(&[0xff]); // in no UTF-8, so ("ab", "c") is not ("a", "bc")
        hasher.write(prompt.as_bytes());
        Self { seed: hasher.finish(), throws: 0 }
    }

    fn roll(&mut self) -> u16 {
        self.throws = self.throws.wrapping_add(1);
        let rolled = SipHasher24::new_with_keys(self.seed, KEY.1).hash(&self.throws.to_le_bytes());
        let [low, high, ..] = rolled.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// A number from `low` to `high`.
    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (f32::from(self.roll()) / f32::from(u16::MAX))
    }

    /// A position or length in whole quarters of a pixel, from `low` to `high`.
    fn length(&mut self, low: f32, high: f32) -> f32 {
        (self.between(low, high) * 4.0).round() / 4.0
    }

    /// True `percent` times in a hundred.
    fn chance(&mut self, percent: u16) -> bool {
        self.roll() % 100 < percent
    }

    /// One of `choices`; `otherwise` only where there are none.
    fn pick<T: Copy>(&mut self, choices: &[T], otherwise: T) -> T {
        let at = usize::from(self.roll()).checked_rem(choices.len());
        at.and_then(|at| choices.get(at)).copied().unwrap_or(otherwise)
    }
}

#[cfg(test)]
mod tests;
