//! How marks are drawn.

use plotters_backend::text_anchor::{HPos, VPos};

use super::canvas::{Canvas, Lettering, Point};
use super::colour::{GREY, INK, RULE};
use super::heat::draw_cells;
use super::layout::{DASH, Frame, SMALL, THIN, place};
use super::marks::{Mark, zip};
use super::path::{self, Rect};
use super::raster::draw_raster;
use super::style::Style;
use crate::Error;

/// Draws a mark, cut to the panel.
pub(super) fn draw_mark(canvas: &Canvas<'_>, mark: &Mark, rect: &Rect, frame: &Frame) -> Result<(), Error> {
    let at = |point: Point| place(frame, rect, point);
    let x_at = |x: f64| frame.x.place(x, [rect.left, rect.right]);
    let y_at = |y: f64| frame.y.place(y, [rect.bottom, rect.top]);
    let finite = |point: &Point| point.0.is_finite() && point.1.is_finite();
    match mark {
        Mark::Line { points, style } => {
            let placed: Vec<Point> = points.iter().map(|point| at(*point)).collect();
            for run in placed.split(|point| !finite(point)) {
                if let [point] = run
                    && rect.contains(*point)
                {
                    canvas.dot(*point, style.width.max(3.6) / 2.0, style.colour, style.alpha)?;
                }
                for piece in rect.clip(&path::thin(run)) {
                    stroke(canvas, &piece, style)?;
                }
            }
        }
        Mark::Dots { points, style } => {
            // Two dots on the same half pixel look like one.
            let mut seen = std::collections::BTreeSet::new();
            let radius = style.width.max(3.6) / 2.0;
            for point in points.iter().map(|point| at(*point)).filter(|p| finite(p) && rect.contains(*p)) {
                let cell = if points.len() > 3000 { radius } else { 0.1 };
                if seen.insert(((point.0 / cell).round() as i64, (point.1 / cell).round() as i64)) {
                    canvas.dot(point, radius, style.colour, style.alpha)?;
                }
            }
        }
        Mark::Area { x, low, high, style } => {
            let edges: Vec<[Point; 2]> =
                zip(x, low).into_iter().zip(high).map(|(p, h)| [at(p), at((p.0, *h))]).collect();
            for run in edges.split(|edge| !edge.iter().all(finite)).filter(|run| run.len() > 1) {
                let side = |side: usize| path::thin(&run.iter().map(|edge| edge[side]).collect::<Vec<_>>());
                let outline = side(0).into_iter().chain(side(1).into_iter().rev());
                let outline: Vec<Point> = outline.map(|point| rect.clamp(point)).collect();
                canvas.polygon(&outline, style.colour, style.alpha)?;
            }
        }
        Mark::Bars { bars, style } => {
            let base = if frame.y.low() > 0.0 || frame.y.high() < 0.0 { rect.bottom } else { y_at(0.0) };
            let touching =
                bars.windows(2).any(|pair| pair[0][1] == pair[1][0] || pair[1][0] - pair[0][1] < 1e-12);
            let inset = if touching { 0.4 } else { 0.0 };
            for bar in bars.iter().filter(|bar| bar.iter().all(|v| v.is_finite()) && bar[2] != 0.0) {
                let (left, right, end) = (x_at(bar[0]) + inset, x_at(bar[1]) - inset, y_at(bar[2]));
                let ends =
                    [(left, end.min(base)), (right.max(left + 0.3), end.max(base))].map(|p| rect.clamp(p));
                canvas.rect(ends[0], ends[1], style.colour, style.alpha)?;
            }
            if base < rect.bottom {
                canvas.line(&[(rect.left, base), (rect.right, base)], INK, 1.0, THIN)?;
            }
        }
        Mark::Raster { rows, style } => draw_raster(canvas, rows, style, rect, frame)?,
        Mark::Heat(matrix) => draw_cells(canvas, matrix, rect, frame)?,
        Mark::Straight { slope, offset, style } => {
            let ends = [frame.x.low(), frame.x.high()].map(|x| at((x, slope * x + offset)));
            if ends.iter().all(finite) {
                for piece in rect.clip(&ends) {
                    stroke(canvas, &piece, style)?;
                }
            }
        }
        Mark::Horizontal { y, name } => {
            let y = y_at(*y);
            if rect.contains((rect.left, y)) {
                canvas.line(&[(rect.left, y), (rect.right, y)], RULE, 1.0, THIN)?;
                if let Some(name) = name {
                    let how = Lettering::new(SMALL - 1.0, HPos::Right, VPos::Bottom).colour(RULE);
                    canvas.text(name, (rect.right - 1.0, y - 1.0), how)?;
                }
            }
        }
        Mark::Vertical(x) => {
            let x = x_at(*x);
            if rect.contains((x, rect.top)) {
                canvas.line(&[(x, rect.top), (x, rect.bottom)], RULE, 1.0, THIN)?;
            }
        }
        Mark::Span(span) => {
            let [a, b] = span.map(x_at);
            if a.is_finite() && b.is_finite() {
                let (a, b) = (rect.clamp((a, rect.top)), rect.clamp((b, rect.bottom)));
                canvas.rect(a, b, GREY, 0.16)?;
            }
        }
    }
    Ok(())
}

/// Draws a line, solid or dashed.
pub(super) fn stroke(canvas: &Canvas<'_>, points: &[Point], style: &Style) -> Result<(), Error> {
    if !style.dashed {
        return canvas.line(points, style.colour, style.alpha, style.width);
    }
    for piece in path::dash(points, DASH[0], DASH[1]) {
        canvas.line(&piece, style.colour, style.alpha, style.width)?;
    }
    Ok(())
}
