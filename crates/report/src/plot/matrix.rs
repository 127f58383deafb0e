//! Matrices as pictures, and their colour bars.

use plotters::style::text_anchor::{HPos, VPos};

use super::axis::{Axis, power};
use super::canvas::{Canvas, Lettering};
use super::colour::{self, INK};
use super::layout::{BAR, LABEL, SMALL, THIN, TICK};
use super::path::Rect;
use super::text;
use crate::Error;

/// Draws the scale of a matrix to its right.
pub(super) fn draw_colour_bar(
    canvas: &Canvas<'_>,
    rect: &Rect,
    limit: f64,
    label: &str,
) -> Result<(), Error> {
    const LEVELS: usize = 101;
    let (left, right) = (rect.right + BAR[1], rect.right + BAR[1] + BAR[0]);
    let height = rect.bottom - rect.top;
    for level in 0..LEVELS {
        let share = level as f64 / LEVELS as f64;
        let colour = colour::diverging(2.0 * level as f64 / (LEVELS - 1) as f64 - 1.0);
        let below = rect.bottom - share * height;
        canvas.rect((left, below - height / LEVELS as f64), (right, below), colour, 1.0)?;
    }
    canvas.line(
        &[(left, rect.top), (right, rect.top), (right, rect.bottom), (left, rect.bottom), (left, rect.top)],
        INK,
        1.0,
        THIN,
    )?;
    let ruler = Axis::default().ruler([-limit, limit], 4);
    for tick in &ruler.ticks {
        let y = ruler.place(tick.at, [rect.bottom, rect.top]);
        canvas.line(&[(right, y), (right + TICK - 1.0, y)], INK, 1.0, THIN)?;
        canvas.text(&tick.label, (right + TICK + 2.0, y), Lettering::new(SMALL, HPos::Left, VPos::Center))?;
    }
    if ruler.exponent != 0 {
        canvas.text(
            &power(ruler.exponent),
            (left, rect.top - 4.0),
            Lettering::new(SMALL, HPos::Left, VPos::Bottom),
        )?;
    }
    let x = right + TICK + 3.0 + ruler.label_width(SMALL) + LABEL * 1.15;
    let size = text::fit(label, LABEL, height);
    canvas.text(
        label,
        (x, (rect.top + rect.bottom) / 2.0),
        Lettering::new(size, HPos::Center, VPos::Bottom).turned(),
    )
}
