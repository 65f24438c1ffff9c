//! A stylised bust for portraits and avatars.

use super::canvas::{mix, rgb, with_alpha};
use super::keywords::has_word_start;
use super::palette::Palette;
use super::scene::SceneContext;
use tiny_skia::{Color, Transform};

/// Pairs of skin and hair colours with enough contrast.
const FACES: [(u32, u32); 8] = [
    (0xf7d3b8, 0x3b261d),
    (0xf7d3b8, 0xb5522c),
    (0xeebd97, 0xc9954f),
    (0xeebd97, 0x231a1a),
    (0xd99f74, 0x633f26),
    (0xb97d54, 0x3b261d),
    (0x8d583a, 0x231a1a),
    (0x633c28, 0x181214),
];

const TIES: [u32; 4] = [0xb33242, 0x2d6aa3, 0x2f7d63, 0xc68a2c];

/// Hair is grey from this age.
const GREY: u32 = 58;

const LONG_HAIR: &str = "M 170 180 C 170 56 342 56 342 180 L 342 310 Q 342 368 290 368 \
    L 222 368 Q 170 368 170 310 Z";
const SHOULDERS: &str = "M 70 512 C 72 392 122 350 216 330 L 296 330 C 390 350 440 392 442 512 Z";
const NECKLINE: &str = "M 210 330 C 210 370 302 370 302 330 Z";
const NECK: &str = "M 221 250 L 291 250 L 291 322 Q 291 356 256 356 Q 221 356 221 322 Z";
const SHIRT: &str = "M 212 328 L 300 328 L 256 480 Z";
const TIE: &str = "M 244 354 L 268 354 L 263 374 L 272 512 L 240 512 L 249 374 Z";
const COLLAR: &str = "M 216 318 L 256 356 L 234 378 L 206 330 Z M 296 318 L 256 356 L 278 378 \
    L 306 330 Z";
const LAPELS: &str = "M 208 326 L 176 342 L 190 400 L 246 512 Z M 304 326 L 336 342 L 322 400 \
    L 266 512 Z";
const FACE: &str = "M 190 190 C 190 90 322 90 322 190 C 324 250 296 294 256 294 \
    C 216 294 188 250 190 190 Z";
const BEARD: &str = "M 189 206 C 192 330 320 330 323 206 C 312 246 296 240 256 240 \
    C 216 240 200 246 189 206 Z";
const BROWS: &str = "M 216 187 Q 230 181 244 187 L 244 191 Q 230 186 216 191 Z \
    M 268 187 Q 282 181 296 187 L 296 191 Q 282 186 268 191 Z";
const NOSE: &str = "M 252 212 L 260 212 L 262 232 Q 256 238 250 232 Z";
const MOUTH: &str = "M 236 256 Q 256 278 276 256 Q 256 264 236 256 Z";
const FRINGE: &str = "M 183 200 C 160 66 352 66 329 200 C 322 186 316 158 290 142 \
    C 240 164 196 156 183 200 Z";

pub(super) fn portrait(scene: &mut SceneContext<'_>) {
    let Palette { sky: [high, middle, haze], near, light, .. } = scene.palette;
    let says = |asks: &[&str]| has_word_start(scene.words, asks);
    let formal = says(&["suit", "tie ", "professional", "business", "formal"]);
    let woman = says(&["woman", "female", "girl", "she ", "her ", "lady", "dress"]);
    let man = says(&["man ", "male ", "boy ", "he ", "his ", "beard", "tie "]);
    let grey = age(scene.words).is_some_and(|age| age >= GREY);
    let (left_parting, long) = (scene.rng.percent(50), scene.rng.percent(50));
    let long = woman || (long && !man);
    let beard = says(&["beard"]) || (scene.rng.percent(30) && !long);
    let (skin, hair) = scene.rng.choose(&FACES, (0xeebd97, 0x231a1a));
    let (skin, hair) = (rgb(skin), rgb(if grey { 0xc9cbd0 } else { hair }));
    let shade = mix(skin, rgb(0x5a221e), 0.2);
    let tie = rgb(scene.rng.choose(&TIES, 0xb33242));
    let suit = mix(near, rgb(0x1d2536), 0.5);
    let cloth = if formal { suit } else { mix(middle, near, 0.35) };
    let lips = if beard { rgb(0xf3dcd2) } else { mix(shade, rgb(0x8c2b32), 0.5) };

    let here = Transform::identity();
    let canvas = &mut *scene.canvas;
    canvas.fill_vertical(&[mix(high, haze, 0.3), haze], (0.0, 512.0));
    canvas.fill_radial((256.0, 200.0), 300.0, with_alpha(light, 0.7));
    canvas.fill_circle((256.0, 216.0), 176.0, with_alpha(mix(middle, light, 0.3), 0.55));
    if long {
        canvas.fill_svg_path(mix(hair, Color::BLACK, 0.18), here, LONG_HAIR);
    } else {
        canvas.fill_circle((190.0, 214.0), 15.0, shade);
        canvas.fill_circle((322.0, 214.0), 15.0, shade);
    }
    canvas.fill_svg_path(cloth, here, SHOULDERS);
    if formal {
        canvas.fill_svg_path(rgb(0xe4e7ee), here, SHIRT);
        canvas.fill_svg_path(shade, here, NECK);
        canvas.fill_svg_path(tie, here, TIE);
        canvas.fill_svg_path(Color::WHITE, here, COLLAR);
        canvas.fill_svg_path(mix(cloth, Color::WHITE, 0.1), here, LAPELS);
    } else {
        canvas.fill_svg_path(shade, here, NECKLINE);
        canvas.fill_svg_path(shade, here, NECK);
    }
    canvas.fill_svg_path(skin, here, FACE);
    if beard {
        canvas.fill_svg_path(hair, here, BEARD);
    }
    canvas.fill_circle((230.0, 207.0), 6.0, rgb(0x2a1c1c));
    canvas.fill_circle((282.0, 207.0), 6.0, rgb(0x2a1c1c));
    canvas.fill_svg_path(mix(hair, shade, 0.2), here, BROWS);
    canvas.fill_svg_path(shade, here, NOSE);
    canvas.fill_svg_path(lips, here, MOUTH);
    let parting =
        if left_parting { Transform::from_row(-1.0, 0.0, 0.0, 1.0, 512.0, 0.0) } else { here };
    canvas.fill_svg_path(hair, parting, FRINGE);
}

/// The number before "years old".
fn age(words: &str) -> Option<u32> {
    let (before, _) = words.split_once(" years old ")?;
    before.rsplit(' ').next()?.parse().ok()
}
