//! What the scenes have in common.
//!
//! A scene covers the whole canvas, sky first, and keeps its subject above y = 400, where the band of
//! the caption begins.

use super::SeededRng;
use super::canvas::{Canvas, mix, with_alpha};
use super::palette::Palette;
use tiny_skia::Color;

/// What a scene is drawn with.
pub(super) struct SceneContext<'a> {
    pub(super) canvas: &'a mut Canvas,
    pub(super) rng: &'a mut SeededRng,
    pub(super) palette: Palette,
    /// The prompt in lower case with one space before, between and after its words.
    pub(super) words: &'a str,
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
