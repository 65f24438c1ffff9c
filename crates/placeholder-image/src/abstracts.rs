//! Scenes without a horizon: space, tiles, bokeh.

use super::canvas::{FULL, add_circle, add_rect, mix, rgb, with_alpha};
use super::keywords::has_word_start;
use super::palette::Palette;
use super::scene::SceneContext;
use tiny_skia::{Color, Transform};

/// The near half of a planet's ring; the planet has radius 1 and lies at the origin.
const RING: &str = "M -1.9 0 C -1.9 0.62 1.9 0.62 1.9 0 L 1.4 0 C 1.4 0.4 -1.4 0.4 -1.4 0 Z";

/// The planet's night side.
const NIGHT: &str = "M 0 -1 C 0.552 -1 1 -0.552 1 0 C 1 0.552 0.552 1 0 1 \
    C 0.62 0.552 0.62 -0.552 0 -1 Z";

/// Tile motifs as SVG paths. A tile is two units wide with its centre at the origin.
const MOTIFS: [&str; 6] = [
    "M -0.7 0 C -0.7 -0.39 -0.39 -0.7 0 -0.7 C 0.39 -0.7 0.7 -0.39 0.7 0 \
     C 0.7 0.39 0.39 0.7 0 0.7 C -0.39 0.7 -0.7 0.39 -0.7 0 Z",
    "M -1 -1 L -1 1 L 1 1 Z",
    "M -1 -1 L 1 -1 C 1 0.1 0.1 1 -1 1 Z",
    "M -1 -1 L 1 -1 C 1 0.1 0.1 1 -1 1 Z",
    "M 1 -1 C 1 0.1 0.1 1 -1 1 L -1 0.35 C -0.25 0.35 0.35 -0.25 0.35 -1 Z \
     M -1 -1 L -0.3 -1 C -0.3 -0.61 -0.61 -0.3 -1 -0.3 Z",
    "M -1 -1 C 0.1 -1 1 -0.1 1 1 C -0.1 1 -1 0.1 -1 -1 Z",
];

/// Colours of the lights.
const LAMPS: [u32; 5] = [0xffb454, 0xff7a8a, 0x6fd3ff, 0xb78bff, 0x7de8b4];

pub(super) fn space(scene: &mut SceneContext<'_>) {
    let Palette { sky: [high, middle, haze], near, light, .. } = scene.palette;
    let deep = mix(near, Color::BLACK, 0.35);
    scene.canvas.fill_vertical(&[deep, mix(near, high, 0.7)], (0.0, FULL));
    for color in [middle, haze] {
        let center = scene.position(0.0, 420.0);
        scene.canvas.fill_radial(center, 240.0, with_alpha(color, 0.5));
    }
    let rng = &mut *scene.rng;
    for (size, count) in [(0.9_f32, 120), (1.8, 26)] {
        scene.canvas.fill(with_alpha(light, 0.9), |path| {
            for _ in 0..count {
                add_circle(
                    path,
                    (rng.quarter_pixels(0.0, FULL), rng.quarter_pixels(0.0, FULL)),
                    size,
                );
            }
        });
    }
    let (x, y) = (rng.quarter_pixels(190.0, 322.0), rng.quarter_pixels(180.0, 230.0));
    let radius = rng.quarter_pixels(72.0, 104.0);
    let ringed = rng.percent(60) || has_word_start(scene.words, &["ring", "saturn"]);
    let ring_half =
        |down: f32| Transform::from_row(radius, -0.26 * radius, 0.0, down * radius, x, y);
    scene.canvas.fill_radial((x, y), radius * 1.9, with_alpha(haze, 0.5));
    if ringed {
        scene.canvas.fill_svg_path(mix(haze, near, 0.3), ring_half(-1.0), RING);
    }
    let colors = [mix(haze, light, 0.4), mix(haze, middle, 0.4), mix(haze, middle, 0.8)];
    scene.canvas.fill_gradient(&colors, (y - radius, y + radius), |path| {
        add_circle(path, (x, y), radius);
    });
    let night = Transform::from_row(radius, 0.0, 0.0, radius, x, y);
    scene.canvas.fill_svg_path(with_alpha(deep, 0.5), night, NIGHT);
    if ringed {
        scene.canvas.fill_svg_path(mix(haze, light, 0.6), ring_half(1.0), RING);
    }
    let moon = (x - radius * 1.5, y - rng.quarter_pixels(80.0, 130.0));
    scene.canvas.fill_circle(moon, rng.quarter_pixels(9.0, 20.0), light);
}

pub(super) fn tiles(scene: &mut SceneContext<'_>) {
    let Palette { sky: [high, middle, haze], far, near, light } = scene.palette;
    let (dark, bright) = ([high, far, near], [haze, light, mix(middle, haze, 0.6)]);
    for tile in 0..16_u16 {
        let (x, y) = (f32::from(tile % 4) * 128.0, f32::from(tile / 4) * 128.0);
        let rng = &mut *scene.rng;
        let (dark, bright) = (rng.choose(&dark, near), rng.choose(&bright, light));
        let (under, over) = if rng.percent(50) { (dark, bright) } else { (bright, dark) };
        let flip = if rng.percent(50) { 64.0 } else { -64.0 };
        let turn = if rng.percent(50) { 64.0 } else { -64.0 };
        let motif = rng.choose(&MOTIFS, "");
        scene.canvas.fill(under, |path| add_rect(path, [x, y, 128.0, 128.0]));
        let place = Transform::from_row(flip, 0.0, 0.0, turn, x + 64.0, y + 64.0);
        scene.canvas.fill_svg_path(over, place, motif);
    }
}

pub(super) fn bokeh(scene: &mut SceneContext<'_>) {
    let Palette { sky: [high, middle, haze], far, near, light } = scene.palette;
    scene.canvas.fill_vertical(&[mix(high, near, 0.5), mix(middle, far, 0.4), near], (0.0, FULL));
    let center = scene.position(40.0, 400.0);
    scene.canvas.fill_radial(center, 260.0, with_alpha(haze, 0.5));
    let rng = &mut *scene.rng;
    let lamps = [(); 3].map(|()| rgb(rng.choose(&LAMPS, 0xffb454)));
    for _ in 0..30 {
        let center = (rng.quarter_pixels(-10.0, 522.0), rng.quarter_pixels(-10.0, 440.0));
        let (radius, alpha) = (rng.quarter_pixels(12.0, 58.0), rng.range(0.15, 0.5));
        let color = rng.choose(&lamps, light);
        scene.canvas.fill_circle(center, radius, with_alpha(color, alpha * 0.7));
        scene.canvas.fill_circle(center, radius * 0.9, with_alpha(color, alpha * 0.4));
    }
}
