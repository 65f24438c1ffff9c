//! Drawing helpers over tiny-skia. Shapes that are empty or outside the canvas are skipped: a picture
//! without one shape is better than an error.

use super::SIDE;
use tiny_skia::{
    Color, FillRule, GradientStop, LinearGradient, Paint, Path, PathBuilder, Pixmap, Point,
    RadialGradient, Rect, Shader, SpreadMode, Transform,
};

/// Width and height in pixels as `f32`.
pub(super) const FULL: f32 = 512.0;

/// The pixels being drawn.
pub(super) struct Canvas {
    pixmap: Pixmap,
}

/// An opaque colour from `0xRRGGBB`.
pub(super) fn rgb(rgb: u32) -> Color {
    let [_, red, green, blue] = rgb.to_be_bytes();
    Color::from_rgba8(red, green, blue, 0xff)
}

/// Blends `over` into `under`; `share` is the part of `over`, from 0 to 1.
pub(super) fn mix(under: Color, over: Color, share: f32) -> Color {
    let blend = |a: f32, b: f32| a + (b - a) * share;
    let red = blend(under.red(), over.red());
    let green = blend(under.green(), over.green());
    let blue = blend(under.blue(), over.blue());
    Color::from_rgba(red, green, blue, under.alpha()).unwrap_or(under)
}

/// `color` with an opacity from 0 to 1.
pub(super) fn with_alpha(mut color: Color, alpha: f32) -> Color {
    color.set_alpha(alpha);
    color
}

/// Adds a rectangle, given as left, top, width and height.
pub(super) fn add_rect(path: &mut PathBuilder, [left, top, width, height]: [f32; 4]) {
    if let Some(area) = Rect::from_xywh(left, top, width, height) {
        path.push_rect(area);
    }
}

/// Adds a rectangle with rounded corners.
pub(super) fn add_rounded_rect(path: &mut PathBuilder, area: [f32; 4], radius: f32) {
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

/// Adds a circle.
pub(super) fn add_circle(path: &mut PathBuilder, (x, y): (f32, f32), radius: f32) {
    path.push_circle(x, y, radius);
}

/// Parses SVG path data (`d`) with space-separated tokens and the commands M, L, Q, C and Z; `None` if
/// it is malformed.
fn parse_svg_path(data: &str) -> Option<Path> {
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
    /// `None` if the pixels cannot be allocated.
    pub(super) fn new() -> Option<Self> {
        let pixmap = Pixmap::new(u32::from(SIDE), u32::from(SIDE))?;
        Some(Self { pixmap })
    }

    /// The pixels in rows, three bytes each. Assumes that the canvas is fully covered.
    pub(super) fn to_rgb_bytes(&self) -> Vec<u8> {
        let (pixels, _) = self.pixmap.data().as_chunks::<4>();
        pixels.iter().flat_map(|[red, green, blue, _]| [*red, *green, *blue]).collect()
    }

    /// Fills `draw`'s path with one colour.
    pub(super) fn fill(&mut self, color: Color, draw: impl FnOnce(&mut PathBuilder)) {
        self.fill_shader(Some(Shader::SolidColor(color)), draw);
    }

    /// Fills `draw`'s path with a vertical gradient of `colors` between two heights.
    pub(super) fn fill_gradient(
        &mut self,
        colors: &[Color],
        heights: (f32, f32),
        draw: impl FnOnce(&mut PathBuilder),
    ) {
        self.fill_shader(vertical_gradient(colors, heights), draw);
    }

    /// Fills the whole width with a vertical gradient.
    pub(super) fn fill_vertical(&mut self, colors: &[Color], (top, bottom): (f32, f32)) {
        self.fill_gradient(colors, (top, bottom), |path| {
            add_rect(path, [0.0, top, FULL, bottom - top]);
        });
    }

    /// Fills a circle.
    pub(super) fn fill_circle(&mut self, center: (f32, f32), radius: f32, color: Color) {
        self.fill(color, |path| add_circle(path, center, radius));
    }

    /// Fills a radial gradient from `color` at the centre to transparent at `radius`.
    pub(super) fn fill_radial(&mut self, (x, y): (f32, f32), radius: f32, color: Color) {
        let stops = [(0.0, 1.0), (0.45, 0.4), (1.0, 0.0)]
            .map(|(at, share)| GradientStop::new(at, with_alpha(color, color.alpha() * share)));
        let center = Point::from_xy(x, y);
        let (stops, pad, whole) = (stops.to_vec(), SpreadMode::Pad, Transform::identity());
        let shader = RadialGradient::new(center, 0.0, center, radius, stops, pad, whole);
        self.fill_shader(shader, |path| add_circle(path, (x, y), radius));
    }

    /// Fills the shape that `data` describes, transformed by `place`.
    pub(super) fn fill_svg_path(&mut self, color: Color, place: Transform, data: &str) {
        self.fill_transformed(color, place, parse_svg_path(data));
    }

    /// Fills `path`, transformed by `place`.
    pub(super) fn fill_transformed(&mut self, color: Color, place: Transform, path: Option<Path>) {
        self.draw_path(path.and_then(|path| path.transform(place)), Shader::SolidColor(color));
    }

    fn fill_shader(&mut self, shader: Option<Shader<'_>>, draw: impl FnOnce(&mut PathBuilder)) {
        let mut path = PathBuilder::new();
        draw(&mut path);
        if let Some(shader) = shader {
            self.draw_path(path.finish(), shader);
        }
    }

    fn draw_path(&mut self, path: Option<Path>, shader: Shader<'_>) {
        let paint = Paint { shader, ..Paint::default() };
        if let Some(path) = path {
            self.pixmap.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }
}

/// A vertical gradient with evenly spaced colours.
fn vertical_gradient(colors: &[Color], (top, bottom): (f32, f32)) -> Option<Shader<'static>> {
    let last = f32::from(u16::try_from(colors.len().checked_sub(1)?).ok()?).max(1.0);
    let stops =
        (0_u16..).zip(colors).map(|(at, color)| GradientStop::new(f32::from(at) / last, *color));
    let (from, to) = (Point::from_xy(0.0, top), Point::from_xy(0.0, bottom));
    LinearGradient::new(from, to, stops.collect(), SpreadMode::Pad, Transform::identity())
}
