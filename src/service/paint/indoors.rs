//! Scenes without a horizon.

use super::brush::{FULL, block, ink, mix, round, sheer};
use super::palette::Palette;
use super::scene::{Stage, mentions};
use tiny_skia::{Color, Transform};

/// The near half of a planet's ring; the planet has radius 1 and lies at the origin.
const RING: &str = "M -1.9 0 C -1.9 0.62 1.9 0.62 1.9 0 L 1.4 0 C 1.4 0.4 -1.4 0.4 -1.4 0 Z";

/// The planet's night side.
const NIGHT: &str = "M 0 -1 C 0.552 -1 1 -0.552 1 0 C 1 0.552 0.552 1 0 1 \
    C 0.62 0.552 0.62 -0.552 0 -1 Z";

/// What a tile shows, as seen from its middle; a tile is two units wide.
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

/// Colours of lamps at night.
const LAMPS: [u32; 5] = [0xffb454, 0xff7a8a, 0x6fd3ff, 0xb78bff, 0x7de8b4];

pub(super) fn space(stage: &mut Stage<'_>) {
    let Palette { sky: [high, middle, haze], near, light, .. } = stage.palette;
    let deep = mix(near, Color::BLACK, 0.35);
    stage.canvas.wash(&[deep, mix(near, high, 0.7)], (0.0, FULL));
    for color in [middle, haze] {
        let center = stage.spot(0.0, 420.0);
        stage.canvas.glow(center, 240.0, sheer(color, 0.5));
    }
    let dice = &mut *stage.dice;
    for (size, count) in [(0.9_f32, 120), (1.8, 26)] {
        stage.canvas.fill(sheer(light, 0.9), |path| {
            for _ in 0..count {
                round(path, (dice.length(0.0, FULL), dice.length(0.0, FULL)), size);
            }
        });
    }
    let (x, y) = (dice.length(190.0, 322.0), dice.length(180.0, 230.0));
    let radius = dice.length(72.0, 104.0);
    let ringed = dice.chance(60) || mentions(stage.words, &["ring", "saturn"]);
    let ring = |down: f32| Transform::from_row(radius, -0.26 * radius, 0.0, down * radius, x, y);
    stage.canvas.glow((x, y), radius * 1.9, sheer(haze, 0.5));
    if ringed {
        stage.canvas.stencil(mix(haze, near, 0.3), ring(-1.0), RING);
    }
    let colors = [mix(haze, light, 0.4), mix(haze, middle, 0.4), mix(haze, middle, 0.8)];
    stage.canvas.fade(&colors, (y - radius, y + radius), |path| {
        round(path, (x, y), radius);
    });
    let night = Transform::from_row(radius, 0.0, 0.0, radius, x, y);
    stage.canvas.stencil(sheer(deep, 0.5), night, NIGHT);
    if ringed {
        stage.canvas.stencil(mix(haze, light, 0.6), ring(1.0), RING);
    }
    let moon = (x - radius * 1.5, y - dice.length(80.0, 130.0));
    stage.canvas.disc(moon, dice.length(9.0, 20.0), light);
}

pub(super) fn tiles(stage: &mut Stage<'_>) {
    let Palette { sky: [high, middle, haze], far, near, light } = stage.palette;
    let (dark, bright) = ([high, far, near], [haze, light, mix(middle, haze, 0.6)]);
    for tile in 0..16_u16 {
        let (x, y) = (f32::from(tile % 4) * 128.0, f32::from(tile / 4) * 128.0);
        let dice = &mut *stage.dice;
        let (dark, bright) = (dice.pick(&dark, near), dice.pick(&bright, light));
        let (under, over) = if dice.chance(50) { (dark, bright) } else { (bright, dark) };
        let flip = if dice.chance(50) { 64.0 } else { -64.0 };
        let turn = if dice.chance(50) { 64.0 } else { -64.0 };
        let motif = dice.pick(&MOTIFS, "");
        stage.canvas.fill(under, |path| block(path, [x, y, 128.0, 128.0]));
        let place = Transform::from_row(flip, 0.0, 0.0, turn, x + 64.0, y + 64.0);
        stage.canvas.stencil(over, place, motif);
    }
}

pub(super) fn bokeh(stage: &mut Stage<'_>) {
    let Palette { sky: [high, middle, haze], far, near, light } = stage.palette;
    stage.canvas.wash(&[mix(high, near, 0.5), mix(middle, far, 0.4), near], (0.0, FULL));
    let center = stage.spot(40.0, 400.0);
    stage.canvas.glow(center, 260.0, sheer(haze, 0.5));
    let dice = &mut *stage.dice;
    let lamps = [(); 3].map(|()| ink(dice.pick(&LAMPS, 0xffb454)));
    for _ in 0..30 {
        let center = (dice.length(-10.0, 522.0), dice.length(-10.0, 440.0));
        let (radius, alpha) = (dice.length(12.0, 58.0), dice.between(0.15, 0.5));
        let color = dice.pick(&lamps, light);
        stage.canvas.disc(center, radius, sheer(color, alpha * 0.7));
        stage.canvas.disc(center, radius * 0.9, sheer(color, alpha * 0.4));
    }
}
