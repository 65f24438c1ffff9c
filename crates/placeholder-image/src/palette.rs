//! The colours of a picture and the words that select them.

use super::SeededRng;
use super::canvas::{mix, rgb};
use super::keywords::has_word_start;
use tiny_skia::Color;

/// A set of matching colours.
#[derive(Clone, Copy)]
pub(super) struct Palette {
    /// From the zenith down to the horizon.
    pub(super) sky: [Color; 3],
    /// The most distant layer; layers blend from this to `near`.
    pub(super) far: Color,
    /// The foreground.
    pub(super) near: Color,
    /// Sun, moon and windows.
    pub(super) light: Color,
}

/// Keywords, then the colours: zenith, middle, horizon, far, near, light.
type PaletteRow = (&'static [&'static str], [u32; 6]);

const DAY: PaletteRow = (
    &["day", "sunny", "summer", "blue", "beach"],
    [0x3d8bd4, 0x86c3ec, 0xe6f5f5, 0x7db5ae, 0x1d535c, 0xfff8d6],
);

const PALETTES: [PaletteRow; 9] = [
    (
        &["sunset", "dusk", "evening", "golden", "romantic"],
        [0x351f5b, 0xb64679, 0xffb56f, 0x7f3c6c, 0x211338, 0xffe6ae],
    ),
    (
        &["neon", "cyber", "futur", "robot", "sci fi", "synth"],
        [0x140b33, 0x4f1f80, 0xe44793, 0x402074, 0x0d0822, 0x6cf2fa],
    ),
    (
        &["night", "moon", "star ", "stars ", "space", "galaxy", "dark"],
        [0x0b1133, 0x1e2d63, 0x54639c, 0x2c396d, 0x0a0e25, 0xf7efcf],
    ),
    (
        &["snow", "winter", "ice ", "frost", "arctic"],
        [0x5a7ca8, 0xa6c2de, 0xf0f5f8, 0x9cb6d0, 0x2c4769, 0xffffff],
    ),
    (
        &["autumn", "fall ", "desert", "canyon", "mars "],
        [0xc2663a, 0xeaa95c, 0xfce6ba, 0xbb6940, 0x471e1b, 0xfff4d2],
    ),
    (
        &["forest", "green", "spring", "jungle", "garden"],
        [0x3f867c, 0x9fccae, 0xf4f0cb, 0x7dae90, 0x14382c, 0xfff3ba],
    ),
    (
        &["dawn", "sunrise", "morning", "pastel", "soft "],
        [0x7b93d6, 0xf2bfcb, 0xffeed6, 0xc08fb0, 0x4b355e, 0xfff8e0],
    ),
    (
        &["rose", "love", "pink", "flower", "candy"],
        [0x7a2f62, 0xdf7f9b, 0xfddfd6, 0xb05a83, 0x3c153a, 0xfff0e2],
    ),
    DAY,
];

/// The palette that `words` select, or a random one, shifted slightly towards another palette so that
/// pictures with the same palette differ.
pub(super) fn choose(rng: &mut SeededRng, words: &str) -> Palette {
    let random = rng.choose(&PALETTES, DAY);
    let selected = PALETTES.iter().find(|(keywords, _)| has_word_start(words, keywords));
    let (_, main) = selected.copied().unwrap_or(random);
    let (_, other) = rng.choose(&PALETTES, DAY);
    let off = rng.range(0.0, 0.18);
    let mut colors = main.iter().zip(&other).map(|(a, b)| mix(rgb(*a), rgb(*b), off));
    let mut next = || colors.next().unwrap_or(Color::WHITE);
    Palette { sky: [next(), next(), next()], far: next(), near: next(), light: next() }
}
