//! The few strokes every scene is made of, over tiny-skia. Shapes that come out empty or outside
//! the canvas are left out silently: a picture with a shape fewer is better than none.

use super::SIDE;
use tiny_skia::{
    Color, FillRule, GradientStop, LinearGradient, Paint, Path, PathBuilder, Pixmap, Point,
    RadialGradient, Rect, Shader, SpreadMode, Transform,
};

/// Width and height as the shapes count them.
pub(super) const FULL: f32 = 512.0;

/// Where everything is painted.
pub(super) struct Canvas {
    pixmap: Pixmap,
}

/// An opaque colour from `0xRRGGBB`.
pub(super) fn ink(rgb: u32) -> Color {
    let [_, red, green, blue] = rgb.to_be_bytes();
    Color::from_rgba8(red, green, blue, 0xff)
}

/// `share`, from 0 to 1, of `over` and the rest of `under`.
pub(super) fn mix(under: Color, over: Color, share: f32) -> Color {
    let blend = |a: f32, b: f32| a + (b - a) * share;
    let red = blend(under.red(), over.red());
    let green = blend(under.green(), over.green());
    let blue = blend(under.blue(), over.blue());
    Color::from_rgba(red, green, blue, under.alpha()).unwrap_or(under)
}

/// The colour, from 0 to 1 opaque.
pub(super) fn sheer(mut color: Color, alpha: f32) -> Color {
    color.set_alpha(alpha);
    color
}

/// A rectangle, given as left, top, width and height.
pub(super) fn block(path: &mut PathBuilder, [left, top, width, height]: [f32; 4]) {
    if let Some(area) = Rect::from_xywh(left, top, width, height) {
        path.push_rect(area);
    }
}

/// A rectangle whose corners are rounded.
pub(super) fn slab(path: &mut PathBuilder, area: [f32; 4], radius: f32) {
    let [left, top, width, height] = area;
    let (right, bottom) = (left + width, top + height);
    path.move_to(left + radius, top);
    path.line_to(right - radius, top);
    path.quad_to(right, top, right, top + radius);
    path.line_to(right, bottom - radius);
    path.quad_to(right, bottom, right - radius, bottom);
    path.line_to(left + radius, bottom);
    path.quad_to(left, bottom, left, bottom - radius);
    path.line_to(left, top + radius);
    path.quad_to(left, top, left + radius, top);
    path.close();
}

/// A circle.
pub(super) fn round(path: &mut PathBuilder, (x, y): (f32, f32), radius: f32) {
    path.push_circle(x, y, radius);
}

/// A shape in the notation of SVG's `d`, with spaces everywhere and M, L, Q, C and Z only; nothing
/// where it breaks off.
fn outline(data: &str) -> Option<Path> {
    let mut path = PathBuilder::new();
    let mut words = data.split_whitespace();
    while let Some(verb) = words.next() {
        let mut next = || words.next()?.parse::<f32>().ok();
        match verb {
            "M" => path.move_to(next()?, next()?),
            "L" => path.line_to(next()?, next()?),
            "Q" => path.quad_to(next()?, next()?, next()?, next()?),
            "C" => path.cubic_to(next()?, next()?, next()?, next()?, next()?, next()?),
            "Z" => path.close(),
            _ => return None,
        }
    }
    path.finish()
}

impl Canvas {
    /// Nothing where there is no memory for it.
    pub(super) fn new() -> Option<Self> {
        let pixmap = Pixmap::new(u32::from(SIDE), u32::from(SIDE))?;
        Some(Self { pixmap })
    }

    /// The pixels row by row, three bytes each; for when the whole canvas is covered.
    pub(super) fn rgb(&self) -> Vec<u8> {
        let (pixels, _) = self.pixmap.data().as_chunks::<4>();
        pixels.iter().flat_map(|[red, green, blue, _]| [*red, *green, *blue]).collect()
    }

    /// One colour inside `draw`'s path.
    pub(super) fn fill(&mut self, color: Color, draw: impl FnOnce(&mut PathBuilder)) {
        self.shade(Some(Shader::SolidColor(color)), draw);
    }

    /// A gradient of `colors` from one height to another, inside `draw`'s path.
    pub(super) fn fade(
        &mut self,
        colors: &[Color],
        heights: (f32, f32),
        draw: impl FnOnce(&mut PathBuilder),
    ) {
        self.shade(down(colors, heights), draw);
    }

    /// The gradient over the whole width.
    pub(super) fn wash(&mut self, colors: &[Color], (top, bottom): (f32, f32)) {
        self.fade(colors, (top, bottom), |path| {
            block(path, [0.0, top, FULL, bottom - top]);
        });
    }

    /// A disc of one colour.
    pub(super) fn disc(&mut self, center: (f32, f32), radius: f32, color: Color) {
        self.fill(color, |path| round(path, center, radius));
    }

    /// Light that is `color` in the middle and gone at `radius`.
    pub(super) fn glow(&mut self, (x, y): (f32, f32), radius: f32, color: Color) {
        let stops = [(0.0, 1.0), (0.45, 0.4), (1.0, 0.0)]
            .map(|(at, share)| GradientStop::new(at, sheer(color, color.alpha() * share)));
        let center = Point::from_xy(x, y);
        let (stops, pad, whole) = (stops.to_vec(), SpreadMode::Pad, Transform::identity());
        let shader = RadialGradient::new(center, 0.0, center, radius, stops, pad, whole);
        self.shade(shader, |path| round(path, (x, y), radius));
    }

    /// One colour inside the shape that [`outline`] reads from `data`, put where `place` says.
    pub(super) fn stencil(&mut self, color: Color, place: Transform, data: &str) {
        self.put(color, place, outline(data));
    }

    /// One colour inside `path`, put where `place` says.
    pub(super) fn put(&mut self, color: Color, place: Transform, path: Option<Path>) {
        self.lay(path.and_then(|path| path.transform(place)), Shader::SolidColor(color));
    }

    fn shade(&mut self, shader: Option<Shader<'_>>, draw: impl FnOnce(&mut PathBuilder)) {
        let mut path = PathBuilder::new();
        draw(&mut path);
        if let Some(shader) = shader {
            self.lay(path.finish(), shader);
        }
    }

    fn lay(&mut self, path: Option<Path>, shader: Shader<'_>) {
        let paint = Paint { shader, ..Paint::default() };
        if let Some(path) = path {
            self.pixmap.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }
}

/// A vertical gradient, its colours evenly spaced.
fn down(colors: &[Color], (top, bottom): (f32, f32)) -> Option<Shader<'static>> {
    let last = f32::from(u16::try_from(colors.len().checked_sub(1)?).ok()?).max(1.0);
    let stops =
        (0_u16..).zip(colors).map(|(at, color)| GradientStop::new(f32::from(at) / last, *color));
    let (from, to) = (Point::from_xy(0.0, top), Point::from_xy(0.0, bottom));
    LinearGradient::new(from, to, stops.collect(), SpreadMode::Pad, Transform::identity())
}
