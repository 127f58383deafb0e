//! How matrices are drawn, and their colour bars.

use plotters::style::text_anchor::{HPos, VPos};

use super::axis::power;
use super::canvas::{Canvas, Lettering};
use super::colour::{Colour, INK, Scale, WHITE};
use super::layout::{BAR, Frame, LABEL, SMALL, THIN, TICK};
use super::matrix::Matrix;
use super::path::Rect;
use super::png::Picture;
use super::text;
use crate::{Error, numbers};

/// Draws the cells of a matrix, or a picture of them where they are many.
pub(super) fn draw_cells(
    canvas: &Canvas<'_>,
    matrix: &Matrix,
    rect: &Rect,
    frame: &Frame,
) -> Result<(), Error> {
    let x_at = |x: f64| frame.x.place(x, [rect.left, rect.right]);
    let y_at = |y: f64| frame.y.place(y, [rect.bottom, rect.top]);
    if matrix.is_large() {
        let (columns, cells) = matrix.picture();
        let inks: Vec<_> = (0..=Scale::MISSING).map(|level| (matrix.scale.colour(level), u8::MAX)).collect();
        let picture = Picture { columns, cells: &cells, inks: &inks };
        let [height, width] = matrix.shape();
        let corners = [(x_at(-0.5), y_at(-0.5)), (x_at(width - 0.5), y_at(height - 0.5))];
        return canvas.picture(corners[0], corners[1], picture.data_uri()?);
    }
    let mut cells: Vec<(Colour, usize, usize)> = Vec::new();
    for (row, values) in matrix.cells.iter().enumerate() {
        cells.extend(
            values.iter().enumerate().map(|(at, v)| (matrix.scale.colour(matrix.level(*v)), row, at)),
        );
    }
    // Cells of one colour in a row of drawing calls share one element.
    cells.sort_by_key(|(Colour(r, g, b), ..)| [*r, *g, *b]);
    for (colour, row, column) in cells {
        let (row, column) = (row as f64 - 0.5, column as f64 - 0.5);
        canvas.rect((x_at(column), y_at(row)), (x_at(column + 1.0), y_at(row + 1.0)), colour, 1.0)?;
    }
    if matrix.written { write_entries(canvas, matrix, rect, frame) } else { Ok(()) }
}

/// Writes the entries into their cells, all or none of them: some would look like the only ones.
fn write_entries(canvas: &Canvas<'_>, matrix: &Matrix, rect: &Rect, frame: &Frame) -> Result<(), Error> {
    let x_at = |x: f64| frame.x.place(x, [rect.left, rect.right]);
    let y_at = |y: f64| frame.y.place(y, [rect.bottom, rect.top]);
    let entries = || {
        let finite =
            |entry: &f64| entry.is_finite().then(|| numbers::plain(Some(*entry)).replace('-', "\u{2212}"));
        matrix.cells.iter().enumerate().flat_map(move |(row, entries)| {
            entries.iter().enumerate().filter_map(move |(at, entry)| Some((row, at, *entry, finite(entry)?)))
        })
    };
    let widest = entries().map(|(.., text)| text::width(&text, 1.0)).fold(0.1, f64::max);
    let (width, height) = ((x_at(1.0) - x_at(0.0)).abs(), (y_at(1.0) - y_at(0.0)).abs());
    let size = SMALL.min((width - 3.0) / widest).min(height / 1.2);
    if size < 6.5 {
        return Ok(());
    }
    for (row, column, entry, text) in entries() {
        let dark = matrix.scale.colour(matrix.level(entry)).is_dark();
        let how = Lettering::new(size, HPos::Center, VPos::Center).colour(if dark { WHITE } else { INK });
        canvas.text(&text, (x_at(column as f64), y_at(row as f64)), how)?;
    }
    Ok(())
}

/// Draws the scale of a matrix to its right.
pub(super) fn draw_colour_bar(canvas: &Canvas<'_>, rect: &Rect, matrix: &Matrix) -> Result<(), Error> {
    let (left, right) = (rect.right + BAR[1], rect.right + BAR[1] + BAR[0]);
    let height = rect.bottom - rect.top;
    let levels = f64::from(Scale::LEVELS);
    for level in 0..Scale::LEVELS {
        let below = rect.bottom - f64::from(level) / levels * height;
        canvas.rect((left, below - height / levels), (right, below), matrix.scale.colour(level), 1.0)?;
    }
    canvas.line(
        &[(left, rect.top), (right, rect.top), (right, rect.bottom), (left, rect.bottom), (left, rect.top)],
        INK,
        1.0,
        THIN,
    )?;
    let ruler = matrix.ruler();
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
    let size = text::fit(&matrix.label, LABEL, height);
    canvas.text(
        &matrix.label,
        (x, (rect.top + rect.bottom) / 2.0),
        Lettering::new(size, HPos::Center, VPos::Bottom).turned(),
    )
}
