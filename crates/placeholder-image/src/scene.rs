//! Chooses the scene; helpers shared by the scenes.
//!
//! A scene covers the whole canvas, sky first, and keeps its subject above y = 400, where the band of
//! the caption begins.

use super::canvas::{Canvas, mix, with_alpha};
use super::palette::{self, Palette};
use super::{SeededRng, abstracts, landscapes, portrait};
use tiny_skia::Color;

/// What a scene is drawn with.
pub(super) struct SceneContext<'a> {
    pub(super) canvas: &'a mut Canvas,
    pub(super) rng: &'a mut SeededRng,
    pub(super) palette: Palette,
    /// The prompt in lower case with one space before, between and after its words.
    pub(super) words: &'a str,
}

/// Keywords and the scene they select. A keyword that ends in a space matches whole words only. The
/// first matching row wins.
type Row = (&'static [&'static str], fn(&mut SceneContext<'_>));

/// Drawn only if a keyword matches.
const PORTRAIT: Row = (
    &["portrait", "years old", "year old", "headshot", "avatar", "selfie", "suit ", "businessm"],
    portrait::portrait,
);

const SCENES: [Row; 7] = [
    (&["beach", "sea ", "ocean", "coast ", "island", "sail", "lake", "harbo"], landscapes::sea),
    (&["city", "cities", "skyline", "street", "tower", "urban", "skyscrap"], landscapes::city),
    (&["space", "planet", "galaxy", "star ", "stars ", "cosmic", "astro"], abstracts::space),
    (&["forest", "woods ", "tree", "jungle", "pine ", "pines ", "cabin"], landscapes::forest),
    (&["mountain", "hill", "alps", "valley", "landscape", "desert"], landscapes::mountains),
    (&["geometr", "abstract", "pattern", "logo", "icon ", "bauhaus"], abstracts::tiles),
    (&["bokeh", "lights ", "lantern", "dream", "magic", "party"], abstracts::bokeh),
];

/// Whether a word of `words` starts with one of `keywords`.
pub(super) fn has_word_start(words: &str, keywords: &[&str]) -> bool {
    let begins = |at| words.get(..at).is_some_and(|before| before.ends_with(' '));
    keywords.iter().any(|keyword| words.match_indices(keyword).any(|(at, _)| begins(at)))
}

/// Draws the scene that `prompt` selects, or a random one. Returns its palette.
pub(super) fn draw(canvas: &mut Canvas, rng: &mut SeededRng, prompt: &str) -> Palette {
    let plain = |letter: char| {
        if letter.is_alphanumeric() { letter } else { ' ' }
    };
    let words: String = prompt.to_lowercase().chars().map(plain).collect();
    let words: Vec<&str> = words.split_whitespace().collect();
    let words = format!(" {} ", words.join(" "));

    let palette = palette::choose(rng, &words);
    let random = rng.choose(&SCENES, PORTRAIT);
    let mut rows = std::iter::once(&PORTRAIT).chain(&SCENES);
    let (_, scene) =
        rows.find(|(keywords, _)| has_word_start(&words, keywords)).copied().unwrap_or(random);
    scene(&mut SceneContext { canvas, rng, palette, words: &words });
    palette
}

impl SceneContext<'_> {
    /// Draws the sky down to `horizon` with a sun or moon at `center`.
    pub(super) fn draw_sky(&mut self, horizon: f32, center: (f32, f32)) {
        let Palette { sky, light, .. } = self.palette;
        let radius = self.rng.quarter_pixels(30.0, 54.0);
        self.canvas.fill_vertical(&sky, (0.0, horizon));
        self.canvas.fill_radial(center, radius * 4.5, with_alpha(light, 0.75));
        self.canvas.fill_circle(center, radius, light);
    }

    /// A random position between two heights, away from the left and right edges.
    pub(super) fn position(&mut self, high: f32, low: f32) -> (f32, f32) {
        (self.rng.quarter_pixels(110.0, 402.0), self.rng.quarter_pixels(high, low))
    }

    /// The colour of the layer at `depth`, from 0 (farthest) to 1 (nearest).
    pub(super) fn depth_color(&self, depth: f32) -> Color {
        mix(self.palette.far, self.palette.near, depth)
    }
}
