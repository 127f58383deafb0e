//! What surrounds the marks of a panel: axes, title, legend, names of lines.

use plotters::style::text_anchor::{HPos, VPos};

use super::axis::power;
use super::canvas::{Canvas, Lettering, Point};
use super::colour::INK;
use super::drawing::{draw_mark, stroke};
use super::heat::draw_colour_bar;
use super::layout::{Frame, LABEL, LINE_HEIGHT, SMALL, THIN, TICK, TITLE, Y_LABEL, place};
use super::marks::Mark;
use super::panel::Panel;
use super::path::Rect;
use super::style::Style;
use super::text;
use crate::Error;

impl Panel {
    /// Draws the panel into its cell: x, y, width, height.
    pub(super) fn draw(
        &self,
        canvas: &Canvas<'_>,
        [x, y, width, height]: [f64; 4],
        frame: &Frame,
        letter: Option<char>,
    ) -> Result<(), Error> {
        if self.blank {
            return Ok(());
        }
        let mut rect = Rect {
            left: x + frame.left,
            top: y + frame.top,
            right: x + (width - frame.right).max(frame.left + 10.0),
            bottom: y + (height - frame.bottom).max(frame.top + 10.0),
        };
        if let Some(matrix) = self.shown_matrix().filter(|matrix| matrix.is_square()) {
            let [n, m] = matrix.shape();
            let cell = ((rect.right - rect.left) / m).min((rect.bottom - rect.top) / n);
            (rect.right, rect.bottom) = (rect.left + cell * m, rect.top + cell * n);
        }
        if let Some(letter) = letter {
            canvas.text(&letter.to_string(), (x, y), Lettering::new(13.0, HPos::Left, VPos::Top).bold())?;
        }
        let size = text::fit(&self.title, TITLE * 1.06, x + width - rect.left) / 1.06;
        canvas.text(&self.title, (rect.left, y + 1.0), Lettering::new(size, HPos::Left, VPos::Top).bold())?;
        self.draw_legend(canvas, &rect, frame)?;
        for mark in &self.marks {
            draw_mark(canvas, mark, &rect, frame)?;
        }
        self.draw_axes(canvas, &rect, frame, height)?;
        self.draw_direct_labels(canvas, &rect, frame)?;
        if let Some(matrix) = self.shown_matrix() {
            draw_colour_bar(canvas, &rect, matrix)?;
        }
        if !self.marks.iter().any(Mark::shows) {
            let reason = self.empty.as_deref().unwrap_or("nothing to show");
            let centre = ((rect.left + rect.right) / 2.0, (rect.top + rect.bottom) / 2.0);
            let size = text::fit(reason, LABEL, rect.right - rect.left - 2.0 * LABEL);
            canvas.text(reason, centre, Lettering::new(size, HPos::Center, VPos::Center))?;
        }
        if let Some(note) = &self.note {
            canvas.text(
                note,
                (rect.left + 8.0, rect.top + 5.0),
                Lettering::new(LABEL, HPos::Left, VPos::Top),
            )?;
        }
        Ok(())
    }

    fn draw_legend(&self, canvas: &Canvas<'_>, rect: &Rect, frame: &Frame) -> Result<(), Error> {
        let named = self.named();
        let exponent = if frame.y.exponent == 0 { 0.0 } else { SMALL * 1.5 - 4.0 };
        for (row, entries) in frame.legend.iter().enumerate() {
            let up = (frame.legend.len() - row) as f64 - 0.5;
            let y = rect.top - 4.0 - exponent - up * SMALL * 1.45;
            let mut x = rect.left + 1.0;
            for &(at, style, name) in named.iter().filter(|(at, ..)| entries.contains(at)) {
                match &self.marks[at] {
                    Mark::Raster { .. } => {
                        for stroke in [3.0, 8.0, 13.0].map(|right| x + right) {
                            canvas.line(
                                &[(stroke, y - 3.5), (stroke, y + 3.5)],
                                style.colour,
                                style.alpha,
                                1.3,
                            )?;
                        }
                    }
                    Mark::Dots { .. } => canvas.dot((x + 8.0, y), 2.2, style.colour, 1.0)?,
                    Mark::Area { .. } | Mark::Bars { .. } => {
                        canvas.rect((x + 2.0, y - 3.5), (x + 14.0, y + 3.5), style.colour, style.alpha)?;
                    }
                    _ => stroke(canvas, &[(x, y), (x + 15.0, y)], style)?,
                }
                canvas.text(name, (x + 18.0, y), Lettering::new(SMALL, HPos::Left, VPos::Center))?;
                x += 28.0 + text::width(name, SMALL);
            }
        }
        Ok(())
    }

    fn draw_axes(&self, canvas: &Canvas<'_>, rect: &Rect, frame: &Frame, height: f64) -> Result<(), Error> {
        let line = |points: &[Point]| canvas.line(points, INK, 1.0, THIN);
        if self.shown_matrix().is_some() {
            line(&[(rect.left, rect.top), (rect.right, rect.top), (rect.right, rect.bottom)])?;
        }
        line(&[(rect.left, rect.top), (rect.left, rect.bottom), (rect.right, rect.bottom)])?;
        for tick in &frame.x.ticks {
            let x = frame.x.place(tick.at, [rect.left, rect.right]);
            let length = if tick.is_major() { TICK } else { TICK * 0.55 };
            line(&[(x, rect.bottom), (x, rect.bottom + length)])?;
        }
        for tick in &frame.y.ticks {
            let y = frame.y.place(tick.at, [rect.bottom, rect.top]);
            let length = if tick.is_major() { TICK } else { TICK * 0.55 };
            line(&[(rect.left, y), (rect.left - length, y)])?;
        }
        let small = |h, v| Lettering::new(SMALL, h, v);
        if !self.x.hidden {
            for tick in &frame.x.ticks {
                let x = frame.x.place(tick.at, [rect.left, rect.right]);
                if frame.upright_names {
                    let how = small(HPos::Right, VPos::Center).turned();
                    canvas.text(&tick.label, (x, rect.bottom + TICK + 3.0), how)?;
                    continue;
                }
                for (at, text) in tick.label.lines().enumerate() {
                    let y = rect.bottom + TICK + 3.0 + SMALL * LINE_HEIGHT * at as f64;
                    canvas.text(text, (x, y), small(HPos::Center, VPos::Top))?;
                }
            }
            let below = rect.bottom + TICK + 4.0 + frame.x_labels();
            if frame.x.exponent != 0 {
                canvas.text(
                    &power(frame.x.exponent),
                    (rect.right, below + 2.0),
                    small(HPos::Right, VPos::Top),
                )?;
            }
            let centre = ((rect.left + rect.right) / 2.0, below + 2.5);
            let size = text::fit(&self.x.label, LABEL, frame.room + frame.left);
            canvas.text(&self.x.label, centre, Lettering::new(size, HPos::Center, VPos::Top))?;
        }
        let mut last = f64::INFINITY;
        for tick in &frame.y.ticks {
            let y = frame.y.place(tick.at, [rect.bottom, rect.top]);
            // Names that are closer than their height would cover each other.
            if self.y.named && (y - last).abs() < SMALL {
                continue;
            }
            last = y;
            canvas.text(&tick.label, (rect.left - TICK - 3.0, y), small(HPos::Right, VPos::Center))?;
        }
        if frame.y.exponent != 0 {
            canvas.text(
                &power(frame.y.exponent),
                (rect.left - TICK, rect.top - 5.0),
                small(HPos::Left, VPos::Bottom),
            )?;
        }
        // Labels of panels in one column stand in one line: the margin is the column's.
        let x = rect.left - frame.left + Y_LABEL / 2.0;
        let size = text::fit(&self.y.label, LABEL, height);
        let how = Lettering::new(size, HPos::Center, VPos::Bottom).turned();
        canvas.text(&self.y.label, (x, (rect.top + rect.bottom) / 2.0), how)
    }

    fn draw_direct_labels(&self, canvas: &Canvas<'_>, rect: &Rect, frame: &Frame) -> Result<(), Error> {
        let place = |point: Point| place(frame, rect, point);
        let mut labels: Vec<(f64, &Style, &str)> = self
            .direct_names()
            .map(|(points, style, name)| {
                let finite = points.iter().map(|p| place(*p)).filter(|p| p.0.is_finite() && p.1.is_finite());
                let end = finite.reduce(|end, p| if p.0 >= end.0 { p } else { end });
                (end.map_or(rect.top, |end| rect.clamp(end).1), style, name)
            })
            .collect();
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Push down what is too close, then push up what left the panel.
        let gap = SMALL * 1.15;
        for at in 1..labels.len() {
            labels[at].0 = labels[at].0.max(labels[at - 1].0 + gap);
        }
        let mut lowest = rect.bottom;
        for label in labels.iter_mut().rev() {
            label.0 = label.0.min(lowest);
            lowest = label.0 - gap;
        }
        for (y, style, name) in labels {
            let how = Lettering::new(SMALL, HPos::Left, VPos::Center).colour(style.colour);
            canvas.text(name, (rect.right + 5.0, y), how)?;
        }
        Ok(())
    }
}
