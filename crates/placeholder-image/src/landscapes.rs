//! Scenes with a horizon: layers of silhouettes that become paler with distance.

use super::canvas::{FULL, add_rect, add_rounded_rect, mix, rgb, with_alpha};
use super::palette::Palette;
use super::scene::SceneContext;
use tiny_skia::{Color, PathBuilder, Transform};

const BOAT: &str = "M -22 0 L 24 0 L 15 10 L -14 10 Z M -2 -4 L -2 -54 L -22 -4 Z";
const SAIL: &str = "M 2 -4 L 2 -60 L 26 -4 Z";

/// Tiers of a tree: top, foot and half the width, relative to the tree's height.
const TIERS: [(f32, f32, f32); 3] = [(1.0, 0.55, 0.13), (0.78, 0.3, 0.18), (0.54, -0.05, 0.23)];

pub(super) fn sea(scene: &mut SceneContext<'_>) {
    let Palette { sky: [_, _, haze], far, near, light } = scene.palette;
    let horizon = scene.rng.quarter_pixels(286.0, 306.0).round();
    let sun = scene.position(horizon - 100.0, horizon - 4.0);
    scene.draw_sky(horizon, sun);
    for _ in 0..4 {
        let (x, y) = (
            scene.rng.quarter_pixels(-60.0, 400.0),
            scene.rng.quarter_pixels(50.0, horizon - 90.0),
        );
        let long = scene.rng.quarter_pixels(90.0, 200.0);
        scene.canvas.fill(with_alpha(light, 0.28), |path| {
            add_rounded_rect(path, [x, y, long, 13.0], 6.5);
            add_rounded_rect(path, [x + long * 0.3, y - 10.0, long * 0.45, 14.0], 7.0);
        });
    }
    scene.canvas.fill_vertical(&[mix(haze, far, 0.6), mix(far, near, 0.7)], (horizon, FULL));
    for row in 0..14_u16 {
        let (y, reach) = (horizon + 5.0 + 9.0 * f32::from(row), 1.0 + 0.05 * f32::from(row));
        let long = scene.rng.quarter_pixels(26.0, 84.0) * reach;
        let x = sun.0 - long / 2.0 + scene.rng.quarter_pixels(-18.0, 18.0) * reach;
        scene.canvas.fill(with_alpha(light, 0.6), |path| {
            add_rounded_rect(path, [x, y, long, 3.5], 1.75);
        });
    }
    if scene.rng.percent(70) {
        let place =
            Transform::from_translate(scene.rng.quarter_pixels(70.0, 430.0), horizon + 20.0);
        scene.canvas.fill_svg_path(near, place, BOAT);
        scene.canvas.fill_svg_path(mix(light, near, 0.12), place, SAIL);
    }
    let sand = mix(mix(rgb(0xe8c08a), light, 0.3), near, 0.05);
    let shore = ridge(scene, 428.0, 56.0, 420.0);
    for (color, lift) in
        [(with_alpha(Color::WHITE, 0.35), 11.0), (with_alpha(Color::WHITE, 0.85), 4.0)]
    {
        scene.canvas.fill(color, |path| add_ground(path, &shore, lift, true));
    }
    scene.canvas.fill_gradient(&[sand, mix(sand, near, 0.2)], (380.0, FULL), |path| {
        add_ground(path, &shore, 0.0, true);
    });
}

pub(super) fn city(scene: &mut SceneContext<'_>) {
    let Palette { sky: [_, _, haze], light, .. } = scene.palette;
    let sun = scene.position(90.0, 190.0);
    scene.draw_sky(FULL, sun);
    for (depth, low, high) in [(0.1_f32, 190.0, 330.0), (0.5, 130.0, 270.0), (0.95, 90.0, 215.0)] {
        let color = scene.depth_color(depth);
        let colors = [color, mix(color, haze, 0.45 * (1.0 - depth))];
        let rng = &mut *scene.rng;
        let mut windows = Vec::new();
        scene.canvas.fill_gradient(&colors, (180.0, 430.0), |path| {
            add_rect(path, [0.0, 420.0, FULL, FULL]); // no gaps between the bases of the houses
            let mut x = -rng.quarter_pixels(0.0, 30.0).round();
            while x < FULL {
                let wide = rng.quarter_pixels(32.0, 62.0).round();
                let top = FULL - rng.quarter_pixels(low, high).round();
                add_rect(path, [x, top, wide, FULL]);
                match rng.next_u16() % 4 {
                    0 => add_rect(path, [x + (wide / 2.0).round(), top - 34.0, 2.0, 40.0]),
                    1 => add_rect(path, [x + 9.0, top - 16.0, wide - 18.0, 20.0]),
                    2 => {
                        add_rect(path, [x + 5.0, top - 9.0, wide - 10.0, 20.0]);
                        add_rect(path, [x + 11.0, top - 17.0, wide - 22.0, 20.0]);
                    }
                    _ => add_polygon(path, &[(x, top), (x + wide, top), (x + wide, top - 22.0)]),
                }
                windows.push((x, top, x + wide));
                x += wide + 2.0;
            }
        });
        scene.canvas.fill(with_alpha(light, 0.2 + 0.6 * depth), |path| {
            for (left, top, right) in windows {
                let mut y = top + 12.0;
                while y < 430.0 {
                    let mut x = left + 7.0;
                    while x + 10.0 < right {
                        if rng.percent(38) {
                            add_rect(path, [x, y, 5.0, 7.0]);
                        }
                        x += 10.0;
                    }
                    y += 14.0;
                }
            }
        });
    }
}

pub(super) fn forest(scene: &mut SceneContext<'_>) {
    let Palette { sky: [_, _, haze], .. } = scene.palette;
    let sun = scene.position(80.0, 160.0);
    scene.draw_sky(FULL, sun);
    let rows =
        [(0.0, 330.0, 110.0), (0.3, 380.0, 150.0), (0.62, 440.0, 200.0), (1.0, 530.0, 280.0)];
    for (depth, base, high) in rows {
        let color = scene.depth_color(depth);
        let rng = &mut *scene.rng;
        let colors = [color, mix(color, haze, 0.55 - 0.5 * depth)];
        scene.canvas.fill_gradient(&colors, (base - high, base), |path| {
            add_rect(path, [0.0, base - 12.0, FULL, FULL]);
            let mut x = rng.quarter_pixels(-30.0, 10.0);
            while x < FULL + 30.0 {
                let tall = rng.quarter_pixels(high * 0.6, high);
                for (top, foot, half) in TIERS.map(|(t, f, h)| (t * tall, f * tall, h * tall)) {
                    add_polygon(
                        path,
                        &[(x, base - top), (x + half, base - foot), (x - half, base - foot)],
                    );
                }
                x += rng.quarter_pixels(tall * 0.22, tall * 0.5);
            }
        });
    }
}

pub(super) fn mountains(scene: &mut SceneContext<'_>) {
    let Palette { sky: [_, _, haze], near, .. } = scene.palette;
    let sun = scene.position(80.0, 170.0);
    scene.draw_sky(FULL, sun);
    for (depth, base, rise, step) in [(0.1, 330.0, 190.0, 170.0), (0.32, 350.0, 130.0, 120.0)] {
        let color = scene.depth_color(depth);
        let line = ridge(scene, base, rise, step);
        scene.canvas.fill_gradient(
            &[color, mix(color, haze, 0.5)],
            (base - rise, base + 60.0),
            |path| {
                add_ground(path, &line, 0.0, false);
            },
        );
        scene.canvas.fill_gradient(
            &[with_alpha(near, 0.3), with_alpha(near, 0.0)],
            (base - rise, base),
            |path| {
                for peak in line.windows(2).skip(1).step_by(2) {
                    if let [(x, y), (foot_x, foot_y)] = *peak {
                        let dip = (x + (foot_x - x) * 0.2, y + (foot_y - y) * 0.6);
                        let under = (x - (foot_x - x) * 0.1, foot_y);
                        add_polygon(path, &[(x, y), (foot_x, foot_y), under, dip]);
                    }
                }
            },
        );
    }
    for (depth, base, rise, step) in
        [(0.5, 370.0, 60.0, 300.0), (0.72, 410.0, 70.0, 380.0), (1.0, 460.0, 70.0, 440.0)]
    {
        let color = scene.depth_color(depth);
        let line = ridge(scene, base, rise, step);
        let colors = [color, mix(color, haze, 0.6 - 0.5 * depth)];
        scene.canvas.fill_gradient(&colors, (base - rise, base + 60.0), |path| {
            add_ground(path, &line, 0.0, true);
        });
    }
}

/// Points of a ridge line across the canvas, alternating valleys near `base` and summits up to `rise`
/// above it, one summit every `step` pixels.
fn ridge(scene: &mut SceneContext<'_>, base: f32, rise: f32, step: f32) -> Vec<(f32, f32)> {
    let mut points = Vec::new();
    let mut x = -scene.rng.quarter_pixels(step, 2.0 * step);
    while x < FULL + 2.0 * step {
        points.push((x, base - scene.rng.quarter_pixels(0.0, rise * 0.25)));
        let summit = x + scene.rng.quarter_pixels(step * 0.4, step * 0.6);
        points.push((summit, base - scene.rng.quarter_pixels(rise * 0.45, rise)));
        x += step;
    }
    points
}

/// Adds the area below a ridge line that is raised by `lift` pixels.
fn add_ground(path: &mut PathBuilder, points: &[(f32, f32)], lift: f32, smooth: bool) {
    path.move_to(-FULL, FULL);
    for pair in points.windows(2) {
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

/// Adds a polygon.
fn add_polygon(path: &mut PathBuilder, corners: &[(f32, f32)]) {
    for (nth, (x, y)) in corners.iter().enumerate() {
        if nth == 0 {
            path.move_to(*x, *y);
        } else {
            path.line_to(*x, *y);
        }
    }
    path.close();
}
