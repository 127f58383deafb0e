//! The few shapes that panels are made of, in pixels.

use std::convert::Infallible;

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea as _};
use plotters::element::{
    BackendCoordOnly, Circle, Drawable, PathElement, PointCollection, Polygon, Rectangle, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color as _, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle,
};
use plotters_backend::{BackendCoord, DrawingErrorKind};

use super::colour::{Colour, INK, WHITE};
use super::svg::{SCALE, Svg};
use crate::Error;

/// A point in pixels, y downwards.
pub(super) type Point = (f64, f64);

/// A surface to draw on.
pub(super) struct Canvas<'a> {
    area: DrawingArea<Svg<'a>, Shift>,
}

/// How text stands.
#[derive(Clone, Copy)]
pub(super) struct Lettering {
    pub(super) size: f64,
    pub(super) colour: Colour,
    pub(super) h: HPos,
    pub(super) v: VPos,
    pub(super) bold: bool,
    pub(super) upright: bool,
}

impl Lettering {
    pub(super) fn new(size: f64, h: HPos, v: VPos) -> Self {
        Self { size, colour: INK, h, v, bold: false, upright: true }
    }

    pub(super) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// Reads from the bottom to the top.
    pub(super) fn turned(self) -> Self {
        Self { upright: false, ..self }
    }

    pub(super) fn colour(self, colour: Colour) -> Self {
        Self { colour, ..self }
    }
}

/// A picture between two corners.
struct Picture {
    corners: [BackendCoord; 2],
    uri: String,
}

impl<'a> PointCollection<'a, BackendCoord> for &'a Picture {
    type Point = &'a BackendCoord;
    type IntoIter = &'a [BackendCoord; 2];

    fn point_iter(self) -> Self::IntoIter {
        &self.corners
    }
}

impl Drawable<Svg<'_>, BackendCoordOnly> for Picture {
    fn draw<I: Iterator<Item = BackendCoord>>(
        &self,
        mut points: I,
        svg: &mut Svg<'_>,
        _: (u32, u32),
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        if let (Some(a), Some(b)) = (points.next(), points.next()) {
            svg.picture(a, b, &self.uri);
        }
        Ok(())
    }
}

fn units(pixels: f64) -> i32 {
    (pixels * SCALE).round() as i32
}

fn coord(point: Point) -> (i32, i32) {
    (units(point.0), units(point.1))
}

fn rgb(colour: Colour) -> RGBColor {
    RGBColor(colour.0, colour.1, colour.2)
}

fn failed(error: DrawingAreaErrorKind<Infallible>) -> Error {
    Error::Draw { reason: error.to_string() }
}

impl<'a> Canvas<'a> {
    pub(super) fn new(out: &'a mut String, width: f64, height: f64) -> Result<Self, Error> {
        let area =
            Svg::new(out, (units(width).max(0) as u32, units(height).max(0) as u32)).into_drawing_area();
        area.fill(&rgb(WHITE)).map_err(failed)?;
        Ok(Self { area })
    }

    pub(super) fn finish(self) -> Result<(), Error> {
        self.area.present().map_err(failed)
    }

    pub(super) fn line(&self, points: &[Point], colour: Colour, alpha: f64, width: f64) -> Result<(), Error> {
        let style = ShapeStyle {
            color: rgb(colour).mix(alpha),
            filled: false,
            stroke_width: units(width).max(1) as u32,
        };
        let points: Vec<_> = points.iter().copied().map(coord).collect();
        self.area.draw(&PathElement::new(points, style)).map_err(failed)
    }

    pub(super) fn polygon(&self, points: &[Point], colour: Colour, alpha: f64) -> Result<(), Error> {
        let points: Vec<_> = points.iter().copied().map(coord).collect();
        self.area.draw(&Polygon::new(points, rgb(colour).mix(alpha))).map_err(failed)
    }

    pub(super) fn rect(&self, a: Point, b: Point, colour: Colour, alpha: f64) -> Result<(), Error> {
        let style = rgb(colour).mix(alpha).filled();
        self.area.draw(&Rectangle::new([coord(a), coord(b)], style)).map_err(failed)
    }

    pub(super) fn dot(&self, centre: Point, radius: f64, colour: Colour, alpha: f64) -> Result<(), Error> {
        let style = rgb(colour).mix(alpha).filled();
        self.area.draw(&Circle::new(coord(centre), units(radius).max(1), style)).map_err(failed)
    }

    pub(super) fn picture(&self, a: Point, b: Point, uri: String) -> Result<(), Error> {
        self.area.draw(&Picture { corners: [coord(a), coord(b)], uri }).map_err(failed)
    }

    pub(super) fn text(&self, text: &str, at: Point, how: Lettering) -> Result<(), Error> {
        let weight = if how.bold { FontStyle::Bold } else { FontStyle::Normal };
        let transform = if how.upright { FontTransform::None } else { FontTransform::Rotate270 };
        let font = FontDesc::new(FontFamily::SansSerif, how.size * SCALE, weight).transform(transform);
        let ink = rgb(how.colour);
        let style = TextStyle::from(font).color(&ink).pos(Pos::new(how.h, how.v));
        self.area.draw(&Text::new(text.to_owned(), coord(at), style)).map_err(failed)
    }
}
