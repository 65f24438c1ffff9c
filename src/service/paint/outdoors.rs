//! Scenes with a horizon: layers of silhouettes, paler the farther they stand.

use super::brush::{FULL, block, ink, mix, sheer, slab};
use super::palette::Palette;
use super::scene::Stage;
use tiny_skia::{Color, PathBuilder, Transform};

const BOAT: &str = "M -22 0 L 24 0 L 15 10 L -14 10 Z M -2 -4 L -2 -54 L -22 -4 Z";
const SAIL: &str = "M 2 -4 L 2 -60 L 26 -4 Z";

/// Tiers of a tree in heights of the tree: top, foot, half the width.
const TIERS: [(f32, f32, f32); 3] = [(1.0, 0.55, 0.13), (0.78, 0.3, 0.18), (0.54, -0.05, 0.23)];

pub(super) fn sea(stage: &mut Stage<'_>) {
    let Palette { sky: [_, _, haze], far, near, light } = stage.palette;
    let horizon = stage.dice.length(286.0, 306.0).round();
    let sun = stage.spot(horizon - 100.0, horizon - 4.0);
    stage.sky(horizon, sun);
    for _ in 0..4 {
        let (x, y) = (stage.dice.length(-60.0, 400.0), stage.dice.length(50.0, horizon - 90.0));
        let long = stage.dice.length(90.0, 200.0);
        stage.canvas.fill(sheer(light, 0.28), |path| {
            slab(path, [x, y, long, 13.0], 6.5);
            slab(path, [x + long * 0.3, y - 10.0, long * 0.45, 14.0], 7.0);
        });
    }
    stage.canvas.wash(&[mix(haze, far, 0.6), mix(far, near, 0.7)], (horizon, FULL));
    for row in 0..14_u16 {
        let (y, reach) = (horizon + 5.0 + 9.0 * f32::from(row), 1.0 + 0.05 * f32::from(row));
        let long = stage.dice.length(26.0, 84.0) * reach;
        let x = sun.0 - long / 2.0 + stage.dice.length(-18.0, 18.0) * reach;
        stage.canvas.fill(sheer(light, 0.6), |path| {
            slab(path, [x, y, long, 3.5], 1.75);
        });
    }
    if stage.dice.chance(70) {
        let place = Transform::from_translate(stage.dice.length(70.0, 430.0), horizon + 20.0);
        stage.canvas.stencil(near, place, BOAT);
        stage.canvas.stencil(mix(light, near, 0.12), place, SAIL);
    }
    let sand = mix(mix(ink(0xe8c08a), light, 0.3), near, 0.05);
    let shore = knots(stage, 428.0, 56.0, 420.0);
    for (color, lift) in [(sheer(Color::WHITE, 0.35), 11.0), (sheer(Color::WHITE, 0.85), 4.0)] {
        stage.canvas.fill(color, |path| ground(path, &shore, lift, true));
    }
    stage.canvas.fade(&[sand, mix(sand, near, 0.2)], (380.0, FULL), |path| {
        ground(path, &shore, 0.0, true);
    });
}

pub(super) fn city(stage: &mut Stage<'_>) {
    let Palette { sky: [_, _, haze], light, .. } = stage.palette;
    let sun = stage.spot(90.0, 190.0);
    stage.sky(FULL, sun);
    for (depth, low, high) in [(0.1_f32, 190.0, 330.0), (0.5, 130.0, 270.0), (0.95, 90.0, 215.0)] {
        let color = stage.depth(depth);
        let colors = [color, mix(color, haze, 0.45 * (1.0 - depth))];
        let dice = &mut *stage.dice;
        let mut windows = Vec::new();
        stage.canvas.fade(&colors, (180.0, 430.0), |path| {
            block(path, [0.0, 420.0, FULL, FULL]); // no gaps between the houses' feet
            let mut x = -dice.length(0.0, 30.0).round();
            while x < FULL {
                let wide = dice.length(32.0, 62.0).round();
                let top = FULL - dice.length(low, high).round();
                block(path, [x, top, wide, FULL]);
                match dice.roll() % 4 {
                    0 => block(path, [x + (wide / 2.0).round(), top - 34.0, 2.0, 40.0]),
                    1 => block(path, [x + 9.0, top - 16.0, wide - 18.0, 20.0]),
                    2 => {
                        block(path, [x + 5.0, top - 9.0, wide - 10.0, 20.0]);
                        block(path, [x + 11.0, top - 17.0, wide - 22.0, 20.0]);
                    }
                    _ => slope(path, &[(x, top), (x + wide, top), (x + wide, top - 22.0)]),
                }
                windows.push((x, top, x + wide));
                x += wide + 2.0;
            }
        });
        stage.canvas.fill(sheer(light, 0.2 + 0.6 * depth), |path| {
            for (left, top, right) in windows {
                let mut y = top + 12.0;
                while y < 430.0 {
                    let mut x = left + 7.0;
                    while x + 10.0 < right {
                        if dice.chance(38) {
                            block(path, [x, y, 5.0, 7.0]);
                        }
                        x += 10.0;
                    }
                    y += 14.0;
                }
            }
        });
    }
}

pub(super) fn forest(stage: &mut Stage<'_>) {
    let Palette { sky: [_, _, haze], .. } = stage.palette;
    let sun = stage.spot(80.0, 160.0);
    stage.sky(FULL, sun);
    let rows =
        [(0.0, 330.0, 110.0), (0.3, 380.0, 150.0), (0.62, 440.0, 200.0), (1.0, 530.0, 280.0)];
    for (depth, base, high) in rows {
        let color = stage.depth(depth);
        let dice = &mut *stage.dice;
        let colors = [color, mix(color, haze, 0.55 - 0.5 * depth)];
        stage.canvas.fade(&colors, (base - high, base), |path| {
            block(path, [0.0, base - 12.0, FULL, FULL]);
            let mut x = dice.length(-30.0, 10.0);
            while x < FULL + 30.0 {
                let tall = dice.length(high * 0.6, high);
                for (top, foot, half) in TIERS.map(|(t, f, h)| (t * tall, f * tall, h * tall)) {
                    slope(
                        path,
                        &[(x, base - top), (x + half, base - foot), (x - half, base - foot)],
                    );
                }
                x += dice.length(tall * 0.22, tall * 0.5);
            }
        });
    }
}

pub(super) fn mountains(stage: &mut Stage<'_>) {
    let Palette { sky: [_, _, haze], near, .. } = stage.palette;
    let sun = stage.spot(80.0, 170.0);
    stage.sky(FULL, sun);
    for (depth, base, rise, step) in [(0.1, 330.0, 190.0, 170.0), (0.32, 350.0, 130.0, 120.0)] {
        let color = stage.depth(depth);
        let line = knots(stage, base, rise, step);
        stage.canvas.fade(&[color, mix(color, haze, 0.5)], (base - rise, base + 60.0), |path| {
            ground(path, &line, 0.0, false);
        });
        stage.canvas.fade(&[sheer(near, 0.3), sheer(near, 0.0)], (base - rise, base), |path| {
            for peak in line.windows(2).skip(1).step_by(2) {
                if let [(x, y), (foot_x, foot_y)] = *peak {
                    let dip = (x + (foot_x - x) * 0.2, y + (foot_y - y) * 0.6);
                    let under = (x - (foot_x - x) * 0.1, foot_y);
                    slope(path, &[(x, y), (foot_x, foot_y), under, dip]);
                }
            }
        });
    }
    for (depth, base, rise, step) in
        [(0.5, 370.0, 60.0, 300.0), (0.72, 410.0, 70.0, 380.0), (1.0, 460.0, 70.0, 440.0)]
    {
        let color = stage.depth(depth);
        let line = knots(stage, base, rise, step);
        let colors = [color, mix(color, haze, 0.6 - 0.5 * depth)];
        stage.canvas.fade(&colors, (base - rise, base + 60.0), |path| {
            ground(path, &line, 0.0, true);
        });
    }
}

/// A line across the canvas with a summit every `step` pixels: valleys near `base`, summits up to
/// `rise` above it, by turns.
fn knots(stage: &mut Stage<'_>, base: f32, rise: f32, step: f32) -> Vec<(f32, f32)> {
    let mut knots = Vec::new();
    let mut x = -stage.dice.length(step, 2.0 * step);
    while x < FULL + 2.0 * step {
        knots.push((x, base - stage.dice.length(0.0, rise * 0.25)));
        let summit = x + stage.dice.length(step * 0.4, step * 0.6);
        knots.push((summit, base - stage.dice.length(rise * 0.45, rise)));
        x += step;
    }
    knots
}

/// Everything below a line, `lift` pixels higher than its knots say.
fn ground(path: &mut PathBuilder, knots: &[(f32, f32)], lift: f32, smooth: bool) {
    path.move_to(-FULL, FULL);
    for pair in knots.windows(2) {
        if let [(x, y), (next_x, next_y)] = *pair {
            if smooth {
                let (end_x, end_y) = (f32::midpoint(x, next_x), f32::midpoint(y, next_y));
                path.quad_to(x, y - lift, end_x, end_y - lift);
            } else {
                path.line_to(x, y - lift);
            }
        }
    }
    path.line_to(3.0 * FULL, FULL);
    path.close();
}

/// A shape with straight sides.
fn slope(path: &mut PathBuilder, corners: &[(f32, f32)]) {
    for (nth, (x, y)) in corners.iter().enumerate() {
        if nth == 0 {
            path.move_to(*x, *y);
        } else {
            path.line_to(*x, *y);
        }
    }
    path.close();
}
