//! How spikes are drawn: a short stroke each, or a picture of all where they are many.

use super::canvas::Canvas;
use super::layout::Frame;
use super::path::Rect;
use super::png::Picture;
use super::style::Style;
use crate::Error;

/// The most spikes that are drawn one by one; a stroke takes a dozen bytes.
const DRAWN: usize = 10_000;
/// The width of a stroke in pixels.
const WIDTH: f64 = 0.9;
/// Cells of a picture in a pixel, along x and along y, so that it is sharp in print.
const FINE: f64 = 2.0;

/// Draws one row of spikes for each neuron, the first at the bottom.
pub(super) fn draw_raster(
    canvas: &Canvas<'_>,
    rows: &[Vec<f64>],
    style: &Style,
    rect: &Rect,
    frame: &Frame,
) -> Result<(), Error> {
    let x_at = |x: f64| frame.x.place(x, [rect.left, rect.right]);
    let y_at = |y: f64| frame.y.place(y, [rect.bottom, rect.top]);
    let step = (rect.bottom - rect.top) / rows.len().max(1) as f64;
    let half = 0.5 * (0.8 * step).min(step - 0.3).max(0.6);
    let shown = || {
        rows.iter().enumerate().flat_map(|(row, times)| {
            let y = y_at(row as f64);
            times.iter().map(move |time| (x_at(*time), y)).filter(|point| rect.contains(*point))
        })
    };
    if rows.iter().map(Vec::len).sum::<usize>() <= DRAWN {
        for (x, y) in shown() {
            canvas.line(&[(x, y - half), (x, y + half)], style.colour, style.alpha, WIDTH)?;
        }
        return Ok(());
    }
    let cells = |length: f64| ((length * FINE).ceil() as usize).max(1);
    let (columns, height) = (cells(rect.right - rect.left), cells(rect.bottom - rect.top));
    let cell = |length: f64, count: usize| ((length * FINE).max(0.0) as usize).min(count - 1);
    let mut picture = vec![0; columns * height];
    for (x, y) in shown() {
        // Of the cells that a stroke touches, those whose centre it covers, and one at least.
        let left = cell(x - rect.left - WIDTH / 2.0 + 0.5 / FINE, columns);
        let right = cell(x - rect.left + WIDTH / 2.0 - 0.5 / FINE, columns).max(left);
        let top = cell(y - half - rect.top + 0.5 / FINE, height);
        let bottom = cell(y + half - rect.top - 0.5 / FINE, height).max(top);
        for line in top..=bottom {
            picture[line * columns + left..=line * columns + right].fill(1);
        }
    }
    let inks = [(style.colour, 0), (style.colour, (style.alpha * 255.0).round() as u8)];
    let picture = Picture { columns, cells: &picture, inks: &inks };
    canvas.picture((rect.left, rect.top), (rect.right, rect.bottom), picture.data_uri()?)
}
