//! Which scene is painted, and what the scenes share.
//!
//! A scene covers the whole canvas, sky first, and keeps its subject above y = 400: the caption's
//! band lies below.

use super::brush::{Canvas, mix, sheer};
use super::palette::{self, Palette};
use super::{Dice, figure, indoors, outdoors};
use tiny_skia::Color;

/// What a scene works with.
pub(super) struct Stage<'a> {
    pub(super) canvas: &'a mut Canvas,
    pub(super) dice: &'a mut Dice,
    pub(super) palette: Palette,
    /// The prompt in lower case, one space before, between and after the words.
    pub(super) words: &'a str,
}

/// Words that ask for a scene (a space at the end: not as the beginning of a longer word), and the
/// scene. The first row that is asked for wins.
type Row = (&'static [&'static str], fn(&mut Stage<'_>));

/// Painted only when asked for.
const PORTRAIT: Row = (
    &["portrait", "years old", "year old", "headshot", "avatar", "selfie", "suit ", "businessm"],
    figure::portrait,
);

const SCENES: [Row; 7] = [
    (&["beach", "sea ", "ocean", "coast ", "island", "sail", "lake", "harbo"], outdoors::sea),
    (&["city", "cities", "skyline", "street", "tower", "urban", "skyscrap"], outdoors::city),
    (&["space", "planet", "galaxy", "star ", "stars ", "cosmic", "astro"], indoors::space),
    (&["forest", "woods ", "tree", "jungle", "pine ", "pines ", "cabin"], outdoors::forest),
    (&["mountain", "hill", "alps", "valley", "landscape", "desert"], outdoors::mountains),
    (&["geometr", "abstract", "pattern", "logo", "icon ", "bauhaus"], indoors::tiles),
    (&["bokeh", "lights ", "lantern", "dream", "magic", "party"], indoors::bokeh),
];

/// Whether one of `asks` stands at the beginning of a word.
pub(super) fn mentions(words: &str, asks: &[&str]) -> bool {
    let begins = |at| words.get(..at).is_some_and(|before| before.ends_with(' '));
    asks.iter().any(|ask| words.match_indices(ask).any(|(at, _)| begins(at)))
}

/// Paints the scene that `prompt` asks for, or a rolled one, and tells its colours.
pub(super) fn compose(canvas: &mut Canvas, dice: &mut Dice, prompt: &str) -> Palette {
    let plain = |letter: char| {
        if letter.is_alphanumeric() { letter } else { ' ' }
    };
    let words: String = prompt.to_lowercase().chars().map(plain).collect();
    let words: Vec<&str> = words.split_whitespace().collect();
    let words = format!(" {} ", words.join(" "));

    let palette = palette::choose(dice, &words);
    let rolled = dice.pick(&SCENES, PORTRAIT);
    let mut rows = std::iter::once(&PORTRAIT).chain(&SCENES);
    let (_, scene) = rows.find(|(asks, _)| mentions(&words, asks)).copied().unwrap_or(rolled);
    scene(&mut Stage { canvas, dice, palette, words: &words });
    palette
}

impl Stage<'_> {
    /// The sky down to `horizon`, with a sun or moon at `center`.
    pub(super) fn sky(&mut self, horizon: f32, center: (f32, f32)) {
        let Palette { sky, light, .. } = self.palette;
        let radius = self.dice.length(30.0, 54.0);
        self.canvas.wash(&sky, (0.0, horizon));
        self.canvas.glow(center, radius * 4.5, sheer(light, 0.75));
        self.canvas.disc(center, radius, light);
    }

    /// Somewhere between two heights, not too near to the sides.
    pub(super) fn spot(&mut self, high: f32, low: f32) -> (f32, f32) {
        (self.dice.length(110.0, 402.0), self.dice.length(high, low))
    }

    /// The colour at `depth`, from 0 for the farthest to 1 for the nearest.
    pub(super) fn depth(&self, depth: f32) -> Color {
        mix(self.palette.far, self.palette.near, depth)
    }
}
