//! Chooses the scene by the words of the prompt.

use super::canvas::Canvas;
use super::keywords::{has_word_start, spaced_words};
use super::palette::{self, Palette};
use super::scene::SceneContext;
use super::{SeededRng, abstracts, landscapes, portrait};

/// Keywords and the scene they select. A keyword that ends in a space matches whole words only. The
/// first matching row wins.
type SceneRow = (&'static [&'static str], fn(&mut SceneContext<'_>));

/// Drawn only if a keyword matches.
const PORTRAIT: SceneRow = (
    &["portrait", "years old", "year old", "headshot", "avatar", "selfie", "suit ", "businessm"],
    portrait::portrait,
);

const SCENES: [SceneRow; 7] = [
    (&["beach", "sea ", "ocean", "coast ", "island", "sail", "lake", "harbo"], landscapes::sea),
    (&["city", "cities", "skyline", "street", "tower", "urban", "skyscrap"], landscapes::city),
    (&["space", "planet", "galaxy", "star ", "stars ", "cosmic", "astro"], abstracts::space),
    (&["forest", "woods ", "tree", "jungle", "pine ", "pines ", "cabin"], landscapes::forest),
    (&["mountain", "hill", "alps", "valley", "landscape", "desert"], landscapes::mountains),
    (&["geometr", "abstract", "pattern", "logo", "icon ", "bauhaus"], abstracts::tiles),
    (&["bokeh", "lights ", "lantern", "dream", "magic", "party"], abstracts::bokeh),
];

/// Draws the scene that `prompt` selects, or a random one. Returns its palette.
pub(super) fn draw(canvas: &mut Canvas, rng: &mut SeededRng, prompt: &str) -> Palette {
    let words = spaced_words(prompt);
    let palette = palette::choose(rng, &words);
    let random = rng.choose(&SCENES, PORTRAIT);
    let mut rows = std::iter::once(&PORTRAIT).chain(&SCENES);
    let (_, scene) =
        rows.find(|(keywords, _)| has_word_start(&words, keywords)).copied().unwrap_or(random);
    scene(&mut SceneContext { canvas, rng, palette, words: &words });
    palette
}
