//! The caption: text in the embedded Inter, wrapped, shrunk in steps, and truncated with an ellipsis
//! after four lines.
//!
//! Characters that the font lacks (CJK, emoji, Arabic …) are drawn as blocks of their width. Text is
//! neither shaped nor reordered.

use super::RenderError;
use super::canvas::{Canvas, FULL, add_rounded_rect, mix, rgb, with_alpha};
use tiny_skia::{Color, PathBuilder, Transform};
use ttf_parser::{Face, OutlineBuilder};

/// Inter Medium, reduced to Latin, Greek, Cyrillic and symbols. Licence: `Inter-LICENSE.txt`.
static INTER: &[u8] = include_bytes!("../Inter-Medium.subset.otf");

/// Layouts in order of preference: font size and line height in pixels, maximum number of lines.
const LAYOUTS: [(f32, f32, usize); 3] = [(27.0, 35.0, 2), (23.0, 30.0, 3), SMALLEST];

/// The last layout. Text that does not fit is truncated.
const SMALLEST: (f32, f32, usize) = (20.0, 26.0, 4);

/// Font size of the model's name, in pixels.
const MODEL_SIZE: f32 = 14.0;

/// Distance from the edge of the picture to the band, in pixels.
const MARGIN: f32 = 16.0;

/// Distance from the edge of the band to the text, in pixels.
const PADDING: f32 = 20.0;

/// Draws `prompt` and, smaller, `model` on a band at the bottom with an accent in colour `light`.
pub(super) fn draw(
    canvas: &mut Canvas,
    prompt: &str,
    model: &str,
    light: Color,
) -> Result<(), RenderError> {
    let font = CaptionFont::new()?;
    let width = FULL - 2.0 * (MARGIN + PADDING);
    let (size, leading, lines) = font.layout(prompt, width);
    let name = font.truncate(model, width / MODEL_SIZE);
    if lines.is_empty() && name.is_empty() {
        return Ok(());
    }

    let name_height = if name.is_empty() { 0.0 } else { MODEL_SIZE + 8.0 };
    let words = lines.iter().fold(0.0, |height, _| height + leading);
    let height = words + name_height + 22.0;
    let top = FULL - MARGIN - height;
    let wide = FULL - 2.0 * MARGIN;
    canvas.fill(with_alpha(rgb(0x0b0d16), 0.66), |path| {
        add_rounded_rect(path, [MARGIN, top, wide, height], 14.0);
    });
    canvas.fill(with_alpha(light, 0.9), |path| {
        add_rounded_rect(path, [MARGIN + 7.0, top + 13.0, 3.0, height - 26.0], 1.5);
    });
    let mut baseline = top + 10.0 + f32::midpoint(leading, size * 0.72);
    for line in &lines {
        font.draw_line(canvas, line, (MARGIN + PADDING, baseline), size, Color::WHITE);
        baseline += leading;
    }
    let baseline = FULL - MARGIN - 14.0;
    font.draw_line(
        canvas,
        &name,
        (MARGIN + PADDING, baseline),
        MODEL_SIZE,
        with_alpha(mix(Color::WHITE, light, 0.5), 0.8),
    );
    Ok(())
}

/// The embedded font.
pub(super) struct CaptionFont<'a> {
    face: Face<'a>,
    /// Units per em.
    em: f32,
}

impl CaptionFont<'_> {
    pub(super) fn new() -> Result<Self, RenderError> {
        let face = Face::parse(INTER, 0).map_err(RenderError::Font)?;
        let em = f32::from(face.units_per_em());
        Ok(Self { face, em })
    }

    /// Advance width in ems.
    fn width(&self, letter: char) -> f32 {
        match self.face.glyph_index(letter) {
            Some(glyph) => f32::from(self.face.glyph_hor_advance(glyph).unwrap_or(0)) / self.em,
            None => fallback_width(letter),
        }
    }

    /// Width of `text` in ems.
    pub(super) fn length(&self, text: &str) -> f32 {
        text.chars().map(|letter| self.width(letter)).sum()
    }

    /// Font size, line height and lines for `text` within `width` pixels.
    pub(super) fn layout(&self, text: &str, width: f32) -> (f32, f32, Vec<String>) {
        for (size, leading, max_lines) in LAYOUTS {
            let lines = self.wrap(text, width / size);
            if lines.len() <= max_lines {
                return (size, leading, self.balance(text, width / size, lines));
            }
        }
        let (size, leading, max_lines) = SMALLEST;
        let mut lines = self.wrap(text, width / size);
        lines.truncate(max_lines);
        if let Some(last) = lines.last_mut() {
            *last = self.truncate(&format!("{last}…"), width / size);
        }
        (size, leading, lines)
    }

    /// Re-wraps into the same number of lines with more even lengths, which avoids a single last word.
    fn balance(&self, text: &str, max_width: f32, lines: Vec<String>) -> Vec<String> {
        let even = [0.55, 0.65, 0.75, 0.85].map(|share| self.wrap(text, max_width * share));
        let fits = |even: &Vec<String>| even.len() == lines.len() && even.join(" ") == text;
        even.into_iter().find(fits).unwrap_or(lines)
    }

    /// Wraps into lines of at most `max_width` ems, at spaces or inside words that are longer than a line.
    fn wrap(&self, text: &str, max_width: f32) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        let mut used = 0.0;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let gap = if line.is_empty() { "" } else { " " };
            let long = self.length(gap) + self.length(word);
            if used + long <= max_width {
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
                if used + wide > max_width && !line.is_empty() {
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

    /// Truncates `text` to `max_width` ems, with an ellipsis if anything was removed.
    fn truncate(&self, text: &str, max_width: f32) -> String {
        if self.length(text) <= max_width {
            return text.to_owned();
        }
        let max_width = max_width - self.width('…');
        let mut used = 0.0;
        let kept = text.chars().take_while(|letter| {
            used += self.width(*letter);
            used <= max_width
        });
        let kept: String = kept.collect();
        format!("{}…", kept.trim_end())
    }

    /// Draws `line` with its baseline starting at `start`.
    fn draw_line(
        &self,
        canvas: &mut Canvas,
        line: &str,
        start: (f32, f32),
        size: f32,
        color: Color,
    ) {
        let scale = size / self.em;
        let mut letters = Outline { path: PathBuilder::new(), x: 0.0 };
        let mut blocks = PathBuilder::new();
        for letter in line.chars() {
            let wide = self.width(letter) * self.em;
            if let Some(glyph) = self.face.glyph_index(letter) {
                // `None` for a space, which has no outline.
                let _ = self.face.outline_glyph(glyph, &mut letters);
            } else if wide > 0.0 {
                let inside = [letters.x + 0.06 * self.em, -0.04 * self.em, wide - 0.12 * self.em];
                let [left, bottom, wide] = inside;
                add_rounded_rect(&mut blocks, [left, bottom, wide, 0.78 * self.em], 0.12 * self.em);
            }
            letters.x += wide;
        }
        // The font's y axis points up, the canvas's down.
        let place = Transform::from_row(scale, 0.0, 0.0, -scale, start.0, start.1);
        canvas.fill_transformed(color, place, letters.path.finish());
        canvas.fill_transformed(with_alpha(color, color.alpha() * 0.5), place, blocks.finish());
    }
}

/// Width in ems of the block for a character that the font lacks; 0 for combining and invisible ones.
fn fallback_width(letter: char) -> f32 {
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

/// Collects the glyph outlines of a line, in font units.
struct Outline {
    path: PathBuilder,
    /// Start of the next glyph.
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
