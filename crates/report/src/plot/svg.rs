//! A plotters backend that writes compact SVG: tenths of a pixel, and one path for neighbours of the same style.

use std::convert::Infallible;
use std::fmt::Write as _;

use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle,
    FontTransform,
};

use super::text::{self, Run, SCRIPT};
use crate::markup;

/// Backend units per pixel.
pub(super) const SCALE: f64 = 10.0;

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// What neighbouring shapes must share to go into one element.
#[derive(Clone, Copy, PartialEq)]
struct Look {
    kind: Kind,
    rgb: (u8, u8, u8),
    alpha: f64,
    width: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Stroke,
    Fill,
    Cells,
    Dots,
}

/// The backend; writes into a string that it borrows.
pub(super) struct Svg<'a> {
    out: &'a mut String,
    size: (u32, u32),
    open: Option<Look>,
    pen: BackendCoord,
    done: bool,
}

impl<'a> Svg<'a> {
    /// A drawing of this size in backend units.
    pub(super) fn new(out: &'a mut String, size: (u32, u32)) -> Self {
        let (width, height) = (number(size.0 as i32), number(size.1 as i32));
        let _ = write!(
            out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, 'Liberation Sans', sans-serif" stroke-linejoin="round" style="background:#fff">"#,
        );
        Self { out, size, open: None, pen: (0, 0), done: false }
    }

    /// Goes on in the open element if it looks the same, else closes it and opens another.
    fn enter(&mut self, kind: Kind, color: BackendColor, width: u32) {
        let look = Look { kind, rgb: color.rgb, alpha: color.alpha, width };
        if self.open == Some(look) {
            return;
        }
        self.leave();
        let (r, g, b) = color.rgb;
        let paint = format!("#{r:02x}{g:02x}{b:02x}");
        let opacity = |name: &str| {
            if color.alpha < 1.0 { format!(r#" {name}-opacity="{:.2}""#, color.alpha) } else { String::new() }
        };
        let _ = match kind {
            Kind::Stroke => write!(
                self.out,
                "\n<path fill=\"none\" stroke=\"{paint}\"{} stroke-width=\"{}\" d=\"",
                opacity("stroke"),
                number(width as i32)
            ),
            Kind::Fill => write!(self.out, "\n<path fill=\"{paint}\"{} d=\"", opacity("fill")),
            // Without this, renderers leave hairlines between neighbouring cells.
            Kind::Cells => {
                write!(
                    self.out,
                    "\n<path fill=\"{paint}\"{} shape-rendering=\"crispEdges\" d=\"",
                    opacity("fill")
                )
            }
            Kind::Dots => write!(self.out, "\n<g fill=\"{paint}\"{}>", opacity("fill")),
        };
        self.open = Some(look);
        self.pen = (0, 0);
    }

    /// A picture between two corners, its cells as sharp as they are.
    pub(super) fn picture(&mut self, a: BackendCoord, b: BackendCoord, uri: &str) {
        self.leave();
        let [x, y, width, height] =
            [a.0.min(b.0), a.1.min(b.1), (b.0 - a.0).abs(), (b.1 - a.1).abs()].map(number);
        let _ = write!(
            self.out,
            "\n<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
             image-rendering=\"pixelated\" href=\"{uri}\"/>"
        );
    }

    fn leave(&mut self) {
        match self.open.take().map(|look| look.kind) {
            Some(Kind::Dots) => self.out.push_str("</g>"),
            Some(_) => self.out.push_str("\"/>"),
            None => {}
        }
    }

    /// Writes a command and its numbers, with a space only where the next number has no sign to part it.
    fn command(&mut self, letter: char, numbers: &[i32]) {
        self.out.push(letter);
        for (at, value) in numbers.iter().enumerate() {
            let value = number(*value);
            if at > 0 && !value.starts_with('-') {
                self.out.push(' ');
            }
            self.out.push_str(&value);
        }
    }

    /// A polyline in relative coordinates.
    fn trace(&mut self, points: impl IntoIterator<Item = BackendCoord>) {
        for (at, point) in points.into_iter().enumerate() {
            let step = (point.0 - self.pen.0, point.1 - self.pen.1);
            match (at, step) {
                (0, _) => self.command('M', &[point.0, point.1]),
                (_, (0, 0)) => {}
                (_, (dx, 0)) => self.command('h', &[dx]),
                (_, (0, dy)) => self.command('v', &[dy]),
                (_, (dx, dy)) => self.command('l', &[dx, dy]),
            }
            self.pen = point;
        }
    }
}

/// A number of backend units as pixels, in as few characters as possible.
fn number(units: i32) -> String {
    let (whole, tenth) = (units.abs() / 10, units.abs() % 10);
    let sign = if units < 0 { "-" } else { "" };
    match (whole, tenth) {
        (_, 0) => format!("{sign}{whole}"),
        (0, _) => format!("{sign}.{tenth}"),
        _ => format!("{sign}{whole}.{tenth}"),
    }
}

/// A text's runs as SVG. Each change of baseline is undone by the next; spaces at the ends of runs, which some
/// renderers drop, become shifts.
fn spans(text: &str) -> String {
    let mut out = String::new();
    let (mut shift, mut spaces) = (0.0, 0);
    for run in text::runs(text) {
        let (part, target, size) = match run {
            Run::Plain(part) => (part, 0.0, 1.0),
            Run::Sub(part) => (part, 0.22, SCRIPT),
            Run::Super(part) => (part, -0.38, SCRIPT),
        };
        let from_end = |part: &str| part.len() - part.trim_end_matches(' ').len();
        spaces += part.len() - part.trim_start_matches(' ').len();
        let trimmed = markup::escape(part.trim_matches(' '));
        if trimmed.is_empty() {
            continue;
        }
        if out.is_empty() && target == 0.0 {
            out.push_str(&trimmed);
        } else {
            // dx and dy count in ems of the run's own font size.
            let _ = write!(out, "<tspan dy=\"{:.2}em\"", (target - shift) / size);
            if spaces > 0 {
                let _ = write!(out, " dx=\"{:.2}em\"", 0.28 * f64::from(spaces as u32) / size);
            }
            if size < 1.0 {
                let _ = write!(out, " font-size=\"{size}em\"");
            }
            let _ = write!(out, ">{trimmed}</tspan>");
            shift = target;
        }
        spaces = from_end(part);
    }
    out
}

impl DrawingBackend for Svg<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        if !self.done {
            self.leave();
            self.out.push_str("\n</svg>\n");
            self.done = true;
        }
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        self.draw_rect(point, (point.0 + 1, point.1 + 1), &color, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        a: BackendCoord,
        b: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let kind = if fill { Kind::Cells } else { Kind::Stroke };
        self.enter(kind, style.color(), if fill { 0 } else { style.stroke_width() });
        self.trace([a, (b.0, a.1), b, (a.0, b.1)]);
        self.out.push('z');
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.enter(Kind::Stroke, style.color(), style.stroke_width());
        self.trace(path);
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        _fill: bool,
    ) -> Drawn {
        self.enter(Kind::Dots, style.color(), 0);
        let (x, y, r) = (number(center.0), number(center.1), number(radius as i32));
        let _ = write!(self.out, r#"<circle cx="{x}" cy="{y}" r="{r}"/>"#);
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        vert: I,
        style: &S,
    ) -> Drawn {
        self.enter(Kind::Fill, style.color(), 0);
        self.trace(vert);
        self.out.push('z');
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, pos: BackendCoord) -> Drawn {
        self.leave();
        let size = style.size();
        let anchor = match style.anchor().h_pos {
            HPos::Left => "",
            HPos::Center => " text-anchor=\"middle\"",
            HPos::Right => " text-anchor=\"end\"",
        };
        // From the anchor to the baseline: digits and capitals stand 0.72 em high.
        let drop = match style.anchor().v_pos {
            VPos::Top => 0.76,
            VPos::Center => 0.36,
            VPos::Bottom => 0.0,
        };
        let drop = (drop * size).round() as i32;
        let place = match style.transform() {
            FontTransform::None => format!("x=\"{}\" y=\"{}\"", number(pos.0), number(pos.1 + drop)),
            turned => {
                let angle = match turned {
                    FontTransform::Rotate90 => 90,
                    FontTransform::Rotate180 => 180,
                    _ => -90,
                };
                format!(
                    "transform=\"translate({} {}) rotate({angle})\" y=\"{}\"",
                    number(pos.0),
                    number(pos.1),
                    number(drop)
                )
            }
        };
        let weight = if matches!(style.style(), FontStyle::Bold) { " font-weight=\"bold\"" } else { "" };
        let (r, g, b) = style.color().rgb;
        let size = number(size.round() as i32);
        let _ = write!(
            self.out,
            "\n<text {place} font-size=\"{size}\" fill=\"#{r:02x}{g:02x}{b:02x}\"{anchor}{weight}>{}</text>",
            spans(text)
        );
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        Ok((text::width(text, style.size()).ceil() as u32, style.size().ceil() as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (units, text) in [(0, "0"), (5, ".5"), (-5, "-.5"), (120, "12"), (-123, "-12.3")] {
            assert_eq!(number(units), text);
        }
    }

    #[test]
    fn neighbours_of_one_style_share_an_element() {
        let mut out = String::new();
        let mut svg = Svg::new(&mut out, (100, 100));
        let style = BackendColor { alpha: 1.0, rgb: (0, 0, 0) };
        svg.draw_line((10, 0), (10, 45), &style).unwrap();
        svg.draw_path([(20, 0), (25, 7), (24, 7)], &style).unwrap();
        svg.present().unwrap();
        assert_eq!(out.matches("<path").count(), 1);
        assert!(out.contains(r#"d="M1 0v4.5M2 0l.5 .7h-.1""#), "{out}");
        assert!(out.ends_with("</svg>\n"));
    }

    #[test]
    fn scripts_return_to_the_baseline() {
        assert_eq!(
            spans("W_{f} <"),
            r#"W<tspan dy="0.31em" font-size="0.72em">f</tspan><tspan dy="-0.22em" dx="0.28em">&lt;</tspan>"#
        );
    }
}
