//! The words on the picture: set in the embedded Inter, wrapped, shrunk a little, and cut with an
//! ellipsis where four lines do not hold them.
//!
//! Letters the font lacks (CJK, emoji, Arabic …) stand as blocks of their width, so that it is
//! seen where they are; nothing is shaped or reordered.

use super::PaintError;
use super::brush::{Canvas, FULL, ink, mix, sheer, slab};
use tiny_skia::{Color, PathBuilder, Transform};
use ttf_parser::{Face, OutlineBuilder};

/// Inter Medium, cut down to Latin, Greek, Cyrillic and signs; SIL Open Font License 1.1, the text
/// beside it.
static INTER: &[u8] = include_bytes!("../../../assets/Inter-Medium.subset.otf");

/// How the prompt may be set, best first: size of the letters and distance of the lines in pixels,
/// and how many lines.
const SETTINGS: [(f32, f32, usize); 3] = [(27.0, 35.0, 2), (23.0, 30.0, 3), TIGHTEST];

/// The last of the settings; what does not fit into it is cut.
const TIGHTEST: (f32, f32, usize) = (20.0, 26.0, 4);

/// Size of the model's name, in pixels.
const SMALL: f32 = 14.0;

/// From the edge of the picture to the band, in pixels.
const MARGIN: f32 = 16.0;

/// From the edge of the band to the words, in pixels.
const PADDING: f32 = 20.0;

/// Sets `prompt` and, smaller, `model` on a band at the bottom. `light` marks the band.
pub(super) fn write(
    canvas: &mut Canvas,
    prompt: &str,
    model: &str,
    light: Color,
) -> Result<(), PaintError> {
    let pen = Pen::new()?;
    let room = FULL - 2.0 * (MARGIN + PADDING);
    let (size, leading, lines) = pen.fit(prompt, room);
    let name = pen.cut(model, room / SMALL);
    if lines.is_empty() && name.is_empty() {
        return Ok(());
    }

    let signed = if name.is_empty() { 0.0 } else { SMALL + 8.0 };
    let words = lines.iter().fold(0.0, |height, _| height + leading);
    let height = words + signed + 22.0;
    let top = FULL - MARGIN - height;
    let wide = FULL - 2.0 * MARGIN;
    canvas.fill(sheer(ink(0x0b0d16), 0.66), |path| {
        slab(path, [MARGIN, top, wide, height], 14.0);
    });
    canvas.fill(sheer(light, 0.9), |path| {
        slab(path, [MARGIN + 7.0, top + 13.0, 3.0, height - 26.0], 1.5);
    });
    let mut baseline = top + 10.0 + f32::midpoint(leading, size * 0.72);
    for line in &lines {
        pen.set(canvas, line, (MARGIN + PADDING, baseline), size, Color::WHITE);
        baseline += leading;
    }
    let baseline = FULL - MARGIN - 14.0;
    pen.set(
        canvas,
        &name,
        (MARGIN + PADDING, baseline),
        SMALL,
        sheer(mix(Color::WHITE, light, 0.5), 0.8),
    );
    Ok(())
}

/// The embedded font, ready to measure and to draw.
pub(super) struct Pen<'a> {
    face: Face<'a>,
    /// One em in the font's units.
    em: f32,
}

impl Pen<'_> {
    pub(super) fn new() -> Result<Self, PaintError> {
        let face = Face::parse(INTER, 0).map_err(PaintError::Font)?;
        let em = f32::from(face.units_per_em());
        Ok(Self { face, em })
    }

    /// In ems.
    fn width(&self, letter: char) -> f32 {
        match self.face.glyph_index(letter) {
            Some(glyph) => f32::from(self.face.glyph_hor_advance(glyph).unwrap_or(0)) / self.em,
            None => block(letter),
        }
    }

    /// In ems.
    pub(super) fn length(&self, text: &str) -> f32 {
        text.chars().map(|letter| self.width(letter)).sum()
    }

    /// Size, distance and text of the lines.
    pub(super) fn fit(&self, text: &str, room: f32) -> (f32, f32, Vec<String>) {
        for (size, leading, most) in SETTINGS {
            let lines = self.wrap(text, room / size);
            if lines.len() <= most {
                return (size, leading, self.balance(text, room / size, lines));
            }
        }
        let (size, leading, most) = TIGHTEST;
        let mut lines = self.wrap(text, room / size);
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = self.cut(&format!("{last}…"), room / size);
        }
        (size, leading, lines)
    }

    /// The same number of lines made as even as words allow, so that none holds one word alone.
    fn balance(&self, text: &str, room: f32, lines: Vec<String>) -> Vec<String> {
        let even = [0.55, 0.65, 0.75, 0.85].map(|share| self.wrap(text, room * share));
        let fits = |even: &Vec<String>| even.len() == lines.len() && even.join(" ") == text;
        even.into_iter().find(fits).unwrap_or(lines)
    }

    /// Lines of at most `room` ems, broken at spaces and, where a word is longer than a line,
    /// inside it.
    fn wrap(&self, text: &str, room: f32) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        let mut used = 0.0;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let gap = if line.is_empty() { "" } else { " " };
            let long = self.length(gap) + self.length(word);
            if used + long <= room {
                line.push_str(gap);
                line.push_str(word);
                used += long;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            for letter in word.chars() {
                let wide = self.width(letter);
                if used + wide > room && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                line.push(letter);
                used += wide;
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines
    }

    /// As much of `text` as `room` ems hold, with an ellipsis where it was cut.
    fn cut(&self, text: &str, room: f32) -> String {
        if self.length(text) <= room {
            return text.to_owned();
        }
        let room = room - self.width('…');
        let mut used = 0.0;
        let kept = text.chars().take_while(|letter| {
            used += self.width(*letter);
            used <= room
        });
        let kept: String = kept.collect();
        format!("{}…", kept.trim_end())
    }

    /// Draws `line` from `start`, the left end of its baseline.
    fn set(&self, canvas: &mut Canvas, line: &str, start: (f32, f32), size: f32, color: Color) {
        let scale = size / self.em;
        let mut letters = Outline { path: PathBuilder::new(), x: 0.0 };
        let mut blocks = PathBuilder::new();
        for letter in line.chars() {
            let wide = self.width(letter) * self.em;
            if let Some(glyph) = self.face.glyph_index(letter) {
                // Nothing comes back for a space, which has no outline.
                let _ = self.face.outline_glyph(glyph, &mut letters);
            } else if wide > 0.0 {
                let inside = [letters.x + 0.06 * self.em, -0.04 * self.em, wide - 0.12 * self.em];
                let [left, bottom, wide] = inside;
                slab(&mut blocks, [left, bottom, wide, 0.78 * self.em], 0.12 * self.em);
            }
            letters.x += wide;
        }
        // The font's y grows upwards, the canvas's downwards.
        let place = Transform::from_row(scale, 0.0, 0.0, -scale, start.0, start.1);
        canvas.put(color, place, letters.path.finish());
        canvas.put(sheer(color, color.alpha() * 0.5), place, blocks.finish());
    }
}

/// How wide, in ems, the block for a letter is that the font lacks; nothing for those that only
/// change their neighbour or are never seen.
fn block(letter: char) -> f32 {
    match u32::from(letter) {
        0x0300..=0x036f
        | 0x0483..=0x0489
        | 0x0591..=0x05bd
        | 0x0610..=0x061a
        | 0x064b..=0x065f
        | 0x0900..=0x0903
        | 0x093a..=0x094f
        | 0x200b..=0x200f
        | 0x202a..=0x202e
        | 0x2060..=0x206f
        | 0x20d0..=0x20ff
        | 0xfe00..=0xfe0f
        | 0xfeff
        | 0x1_f3fb..=0x1_f3ff
        | 0xe_0000..=0xe_0fff => 0.0,
        0x1100..=0x11ff | 0x2600..=0xd7ff | 0xf900..=0xfaff | 0xff00..=0xff60 | 0x1_b000.. => 1.0,
        _ => 0.6,
    }
}

/// Collects the glyphs of a line, in the font's units.
struct Outline {
    path: PathBuilder,
    /// Where the next glyph starts.
    x: f32,
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.move_to(self.x + x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.path.line_to(self.x + x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.path.quad_to(self.x + x1, y1, self.x + x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.path.cubic_to(self.x + x1, y1, self.x + x2, y2, self.x + x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}
