//! One panel: marks on two axes.

use plotters::style::text_anchor::{HPos, VPos};

use super::axis::{Axis, Ruler, Tick};
use super::canvas::{Canvas, Lettering, Point};
use super::colour::{self, BLACK, Colour, GREY, INK, RULE};
use super::path::{self, Rect};
use super::text;
use crate::Error;

const TITLE: f64 = 11.5;
const LABEL: f64 = 10.5;
const SMALL: f64 = 9.5;
const LINE_HEIGHT: f64 = 1.2;
/// Length of a tick.
const TICK: f64 = 4.0;
/// Width of axes and ticks.
const THIN: f64 = 0.8;
/// Width and distance of a colour bar.
const BAR: [f64; 2] = [9.0, 8.0];
const DASH: [f64; 2] = [5.0, 3.0];

/// How a series looks, and its name in the legend.
#[derive(Clone, Debug)]
pub struct Style {
    colour: Colour,
    label: Option<String>,
    dashed: bool,
    width: f64,
    alpha: f64,
}

impl Style {
    /// A solid line of 1.3 pixels, or dots, in this colour.
    #[must_use]
    pub fn new(colour: Colour) -> Self {
        Self { colour, label: None, dashed: false, width: 1.3, alpha: 1.0 }
    }

    /// Names the series in the legend.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Draws dashes.
    #[must_use]
    pub fn dashed(mut self) -> Self {
        self.dashed = true;
        self
    }

    /// Sets the width of lines, or the diameter of dots where that is larger than 3.6 pixels.
    #[must_use]
    pub fn width(mut self, pixels: f64) -> Self {
        self.width = pixels;
        self
    }

    /// Sets the opacity, from 0 to 1.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha.clamp(0.0, 1.0);
        self
    }
}

#[derive(Clone, Debug)]
enum Mark {
    Line { points: Vec<Point>, style: Style },
    Dots { points: Vec<Point>, style: Style },
    Area { x: Vec<f64>, low: Vec<f64>, high: Vec<f64>, style: Style },
    Bars { bars: Vec<[f64; 3]>, style: Style },
    Raster { rows: Vec<Vec<f64>>, colour: Colour },
    Heat { rows: Vec<Vec<f64>>, limit: f64, label: String },
    Straight { slope: f64, offset: f64, style: Style },
    Horizontal(f64),
    Vertical(f64),
    Span([f64; 2]),
}

/// A panel: a title, two axes, and marks that are drawn in the order in which they were added.
///
/// Slices of different lengths are cut to the shortest; values that are not finite (or not positive, on a log axis)
/// leave gaps.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    title: String,
    x: Axis,
    y: Axis,
    marks: Vec<Mark>,
    note: Option<String>,
    empty: Option<String>,
    direct: bool,
    blank: bool,
    columns: usize,
}

/// What a panel needs around its axes, in pixels, and its chosen axes.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    x: Ruler,
    y: Ruler,
    legend: Vec<Vec<usize>>,
    room: f64,
}

impl Panel {
    /// An empty panel; the title may be empty.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), columns: 1, ..Self::default() }
    }

    /// An empty place in the grid.
    #[must_use]
    pub fn blank() -> Self {
        Self { blank: true, ..Self::new("") }
    }

    /// Lets the panel take several columns of the grid.
    #[must_use]
    pub fn columns_wide(mut self, columns: usize) -> Self {
        self.columns = columns;
        self
    }

    /// Labels the x axis; give the unit: `time (ms)`.
    #[must_use]
    pub fn x_label(mut self, label: impl Into<String>) -> Self {
        self.x.label = label.into();
        self
    }

    /// Labels the y axis; give the unit.
    #[must_use]
    pub fn y_label(mut self, label: impl Into<String>) -> Self {
        self.y.label = label.into();
        self
    }

    /// Fixes the range of x; what lies outside is cut off.
    #[must_use]
    pub fn x_range(mut self, low: f64, high: f64) -> Self {
        self.x.range = Some([low, high]);
        self
    }

    /// Fixes the range of y; what lies outside is cut off.
    #[must_use]
    pub fn y_range(mut self, low: f64, high: f64) -> Self {
        self.y.range = Some([low, high]);
        self
    }

    /// Makes x logarithmic.
    #[must_use]
    pub fn log_x(mut self) -> Self {
        self.x.log = true;
        self
    }

    /// Makes y logarithmic.
    #[must_use]
    pub fn log_y(mut self) -> Self {
        self.y.log = true;
        self
    }

    /// Sets the ticks of x.
    #[must_use]
    pub fn x_ticks(mut self, ticks: &[(f64, &str)]) -> Self {
        self.x.ticks = Some(ticks.iter().map(|&(at, label)| Tick { at, label: label.to_owned() }).collect());
        self
    }

    /// Sets the ticks of y.
    #[must_use]
    pub fn y_ticks(mut self, ticks: &[(f64, &str)]) -> Self {
        self.y.ticks = Some(ticks.iter().map(|&(at, label)| Tick { at, label: label.to_owned() }).collect());
        self
    }

    /// Leaves out the numbers and the label of x, for a panel above one with the same axis.
    #[must_use]
    pub fn hide_x(mut self) -> Self {
        self.x.hidden = true;
        self
    }

    /// Names lines at their right ends instead of in a row above.
    #[must_use]
    pub fn direct_labels(mut self) -> Self {
        self.direct = true;
        self
    }

    /// Writes a short remark into the upper left corner: `r = 0.99`.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Says why there is nothing to see, where that comes to pass: an empty panel would be silent about it.
    #[must_use]
    pub fn when_empty(mut self, reason: impl Into<String>) -> Self {
        self.empty = Some(reason.into());
        self
    }

    /// Adds a line; one of a single point is a dot.
    #[must_use]
    pub fn line(mut self, x: &[f64], y: &[f64], style: Style) -> Self {
        self.marks.push(Mark::Line { points: zip(x, y), style });
        self
    }

    /// Adds dots.
    #[must_use]
    pub fn scatter(mut self, x: &[f64], y: &[f64], style: Style) -> Self {
        self.marks.push(Mark::Dots { points: zip(x, y), style });
        self
    }

    /// Adds the line y = x.
    #[must_use]
    pub fn identity(mut self) -> Self {
        self.marks.push(Mark::Straight { slope: 1.0, offset: 0.0, style: Style::new(GREY).width(1.0) });
        self
    }

    /// Adds the line y = slope x + offset, dashed; on linear axes.
    #[must_use]
    pub fn fit(mut self, slope: f64, offset: f64) -> Self {
        let style = Style::new(BLACK).width(1.0).dashed();
        self.marks.push(Mark::Straight { slope, offset, style });
        self
    }

    /// Adds the area between `low` and `high`, a quarter opaque unless the style says otherwise.
    #[must_use]
    pub fn area(mut self, x: &[f64], low: &[f64], high: &[f64], mut style: Style) -> Self {
        if style.alpha >= 1.0 {
            style.alpha = 0.25;
        }
        self.marks.push(Mark::Area { x: x.to_vec(), low: low.to_vec(), high: high.to_vec(), style });
        self
    }

    /// Adds spike times, one row for each neuron, the first at the bottom.
    #[must_use]
    pub fn raster(mut self, rows: &[Vec<f64>], colour: Colour) -> Self {
        self.marks.push(Mark::Raster { rows: rows.to_vec(), colour });
        self.y.counts = true;
        self
    }

    /// Shows a matrix row by row, the first at the top, on a colour scale that is symmetric about zero; `label` names
    /// the colour bar. Not to be mixed with other marks.
    #[must_use]
    pub fn heat(mut self, rows: &[Vec<f64>], label: impl Into<String>) -> Self {
        let largest = rows.iter().flatten().filter(|v| v.is_finite()).fold(0.0, |m: f64, v| m.max(v.abs()));
        let limit = if largest > 0.0 { largest } else { 1.0 };
        self.marks.push(Mark::Heat { rows: rows.to_vec(), limit, label: label.into() });
        (self.x.counts, self.y.counts) = (true, true);
        self
    }

    /// Sets the value at which the colour scale of the matrices saturates, so that panels can be compared.
    #[must_use]
    pub fn heat_limit(mut self, value: f64) -> Self {
        for mark in &mut self.marks {
            if let Mark::Heat { limit, .. } = mark
                && value.is_finite()
                && value > 0.0
            {
                *limit = value;
            }
        }
        self
    }

    /// Adds the distribution of finite `values` in equal bins, as counts.
    #[must_use]
    pub fn histogram(mut self, values: &[f64], bins: usize, style: Style) -> Self {
        let [lo, hi] = Axis::default().range_of(values.iter().copied(), [0.0; 2]);
        let bins = bins.max(1);
        let width = (hi - lo) / bins as f64;
        let mut counts = vec![0.0; bins];
        for value in values.iter().filter(|value| value.is_finite()) {
            counts[(((value - lo) / width) as usize).min(bins - 1)] += 1.0;
        }
        let bars = counts.iter().enumerate().map(|(at, count)| {
            let left = lo + at as f64 * width;
            [left, left + width, *count]
        });
        self.marks.push(Mark::Bars { bars: bars.collect(), style });
        self
    }

    /// Adds named bars and labels x with the names.
    #[must_use]
    pub fn bars(mut self, bars: &[(&str, f64)], colour: Colour) -> Self {
        let place = |at: usize| at as f64 + 0.5;
        self.x.ticks = Some(
            bars.iter()
                .enumerate()
                .map(|(at, (name, _))| Tick { at: place(at), label: (*name).to_owned() })
                .collect(),
        );
        self.x.range = Some([0.0, bars.len().max(1) as f64]);
        let bars = bars
            .iter()
            .enumerate()
            .map(|(at, (_, value))| [place(at) - 0.33, place(at) + 0.33, *value])
            .collect();
        self.marks.push(Mark::Bars { bars, style: Style::new(colour) });
        self
    }

    /// Adds a thin horizontal line across the panel.
    #[must_use]
    pub fn hline(mut self, y: f64) -> Self {
        self.marks.push(Mark::Horizontal(y));
        self
    }

    /// Adds a thin vertical line across the panel.
    #[must_use]
    pub fn vline(mut self, x: f64) -> Self {
        self.marks.push(Mark::Vertical(x));
        self
    }

    /// Shades an interval of x; add it before what it shall lie behind.
    #[must_use]
    pub fn span(mut self, from: f64, to: f64) -> Self {
        self.marks.push(Mark::Span([from, to]));
        self
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    fn heat_mark(&self) -> Option<(&[Vec<f64>], f64, &str)> {
        self.marks.iter().find_map(|mark| match mark {
            Mark::Heat { rows, limit, label } => Some((rows.as_slice(), *limit, label.as_str())),
            _ => None,
        })
    }

    /// The series that have a name, by their place among the marks.
    fn named(&self) -> Vec<(usize, &Style, &str)> {
        self.marks
            .iter()
            .enumerate()
            .filter_map(|(at, mark)| {
                let style = mark.style().filter(|_| !(self.direct && matches!(mark, Mark::Line { .. })))?;
                Some((at, style, style.label.as_deref()?))
            })
            .collect()
    }

    /// The names that stand at the right ends of lines.
    fn direct_names(&self) -> impl Iterator<Item = (&[Point], &Style, &str)> {
        self.marks.iter().filter(|_| self.direct).filter_map(|mark| match mark {
            Mark::Line { points, style } => Some((points.as_slice(), style, style.label.as_deref()?)),
            _ => None,
        })
    }

    fn x_data(&self) -> Vec<f64> {
        let mut out = Vec::new();
        for mark in &self.marks {
            match mark {
                Mark::Line { points, .. } | Mark::Dots { points, .. } => {
                    out.extend(points.iter().map(|p| p.0))
                }
                Mark::Area { x, .. } => out.extend(x),
                Mark::Bars { bars, .. } => out.extend(bars.iter().flat_map(|bar| [bar[0], bar[1]])),
                Mark::Raster { rows, .. } => out.extend(rows.iter().flatten()),
                Mark::Heat { rows, .. } => out.extend(edges(rows.iter().map(Vec::len).max().unwrap_or(0))),

                Mark::Vertical(x) => out.push(*x),
                Mark::Span(span) => out.extend(span),
                Mark::Straight { .. } | Mark::Horizontal(_) => {}
            }
        }
        out
    }

    fn y_data(&self) -> Vec<f64> {
        let mut out = Vec::new();
        for mark in &self.marks {
            match mark {
                Mark::Line { points, .. } | Mark::Dots { points, .. } => {
                    out.extend(points.iter().map(|p| p.1))
                }
                Mark::Area { low, high, .. } => out.extend(low.iter().chain(high)),
                Mark::Bars { bars, .. } => out.extend(bars.iter().map(|bar| bar[2]).chain([0.0])),
                Mark::Raster { rows, .. } | Mark::Heat { rows, .. } => out.extend(edges(rows.len())),
                Mark::Horizontal(y) => out.push(*y),
                Mark::Straight { .. } | Mark::Vertical(_) | Mark::Span(_) => {}
            }
        }
        out
    }

    fn ranges(&self) -> [[f64; 2]; 2] {
        let any = |test: fn(&Mark) -> bool| self.marks.iter().any(test);
        let x = if any(|mark| matches!(mark, Mark::Dots { .. })) { [0.04; 2] } else { [0.0; 2] };
        let y = if any(|mark| matches!(mark, Mark::Raster { .. } | Mark::Heat { .. })) {
            [0.0; 2]
        } else if any(|mark| matches!(mark, Mark::Bars { .. })) {
            let below = self.y_data().into_iter().any(|y| y < 0.0);
            [if below { 0.05 } else { 0.0 }, 0.05]
        } else {
            [0.05; 2]
        };
        let mut y_range = self.y.range_of(self.y_data().into_iter(), y);
        if self.heat_mark().is_some() {
            y_range.reverse();
        }
        [self.x.range_of(self.x_data().into_iter(), x), y_range]
    }

    /// The space that the panel needs, as far as the width of its axes does not matter.
    pub(super) fn frame(&self, width: f64, height: f64, letters: bool) -> Frame {
        let [x_range, y_range] = self.ranges();
        let y = self.y.ruler(y_range, ((height - 50.0) / 32.0).max(2.0) as usize);
        let y_label = if self.y.label.is_empty() { 0.0 } else { LABEL * 1.45 };
        let left = if self.blank { 0.0 } else { TICK + 3.0 + y.label_width(SMALL) + y_label };
        let right = if self.blank {
            0.0
        } else if let Some((_, limit, label)) = self.heat_mark() {
            let scale = Axis::default().ruler([-limit, limit], 4);
            let label = if label.is_empty() { 0.0 } else { LABEL * 1.4 };
            BAR[0] + BAR[1] + TICK + 3.0 + scale.label_width(SMALL) + label
        } else {
            self.direct_names().map(|(.., name)| text::width(name, SMALL) + 8.0).fold(8.0, f64::max)
        };
        let title = if self.title.is_empty() && !letters { 0.0 } else { TITLE * 1.5 };
        let top = title + if y.exponent == 0 { 4.0 } else { SMALL * 1.5 };
        let x = self.x.ruler(x_range, ((width - left - right) / 50.0).max(2.0) as usize);
        // Half of the last label may stand beyond the end of the axis.
        let overhang =
            if self.x.ticks.is_some() || self.x.hidden { 0.0 } else { x.label_width(SMALL) / 2.0 - 3.0 };
        let right = right.max(overhang);
        Frame { left, right, top, bottom: 0.0, x, y, legend: Vec::new(), room: width - left - right }
    }

    /// Completes a frame whose axes are `width` wide: ticks of x, legend, wrapped labels.
    pub(super) fn finish_frame(&self, frame: &mut Frame, width: f64) {
        frame.room = width.max(10.0);
        if self.blank {
            return;
        }
        let [x_range, _] = self.ranges();
        if let Some(ticks) = &self.x.ticks {
            let slot = frame.room / ticks.len().max(1) as f64 - 4.0;
            let wrapped = ticks
                .iter()
                .map(|tick| Tick { at: tick.at, label: text::wrap(&tick.label, SMALL, slot).join("\n") });
            frame.x = Axis { ticks: Some(wrapped.collect()), ..self.x.clone() }.ruler(x_range, 0);
        } else {
            let mut count = (frame.room / 50.0).max(2.0) as usize;
            loop {
                frame.x = self.x.ruler(x_range, count);
                let total: f64 = frame
                    .x
                    .ticks
                    .iter()
                    .filter(|tick| tick.is_major())
                    .map(|tick| text::width(&tick.label, SMALL) + 8.0)
                    .sum();
                if total <= frame.room || count <= 1 {
                    break;
                }
                count -= 1;
            }
        }
        let mut used = f64::INFINITY;
        for (at, _, name) in self.named() {
            let need = 28.0 + text::width(name, SMALL);
            if used + need > frame.room {
                frame.legend.push(Vec::new());
                used = 0.0;
            }
            used += need;
            if let Some(row) = frame.legend.last_mut() {
                row.push(at);
            }
        }
        frame.top += SMALL * 1.45 * frame.legend.len() as f64;
        frame.bottom = TICK + 4.0;
        if !self.x.hidden {
            let label = if self.x.label.is_empty() { 0.0 } else { LABEL * 1.5 };
            frame.bottom += SMALL * LINE_HEIGHT * frame.x.label_lines() as f64 + label;
        }
    }

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
        // Cells of a matrix are square unless it is a strip.
        if let Some((rows, ..)) = self.heat_mark() {
            let (n, m) =
                (rows.len().max(1) as f64, rows.iter().map(Vec::len).max().unwrap_or(1).max(1) as f64);
            if n.max(m) / n.min(m) <= 4.0 {
                let cell = ((rect.right - rect.left) / m).min((rect.bottom - rect.top) / n);
                (rect.right, rect.bottom) = (rect.left + cell * m, rect.top + cell * n);
            }
        }
        if let Some(letter) = letter {
            canvas.text(&letter.to_string(), (x, y), Lettering::new(13.0, HPos::Left, VPos::Top).bold())?;
        }
        let size = text::fit(&self.title, TITLE * 1.06, x + width - rect.left) / 1.06;
        canvas.text(&self.title, (rect.left, y + 1.0), Lettering::new(size, HPos::Left, VPos::Top).bold())?;
        self.draw_legend(canvas, &rect, frame)?;
        for mark in &self.marks {
            self.draw_mark(canvas, mark, &rect, frame)?;
        }
        self.draw_axes(canvas, &rect, frame, height)?;
        self.draw_direct_labels(canvas, &rect, frame)?;
        if let Some((_, limit, label)) = self.heat_mark() {
            draw_colour_bar(canvas, &rect, limit, label)?;
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
        if self.heat_mark().is_some() {
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
                for (at, text) in tick.label.lines().enumerate() {
                    let y = rect.bottom + TICK + 3.0 + SMALL * LINE_HEIGHT * at as f64;
                    canvas.text(text, (x, y), small(HPos::Center, VPos::Top))?;
                }
            }
            let below = rect.bottom + TICK + 4.0 + SMALL * LINE_HEIGHT * frame.x.label_lines() as f64;
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
        for tick in &frame.y.ticks {
            let y = frame.y.place(tick.at, [rect.bottom, rect.top]);
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
        let widest = frame.y.label_width(SMALL);
        let x = rect.left - (TICK + 3.0 + widest + LABEL * 0.55).max(frame.left - LABEL * 1.35);
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

    fn draw_mark(&self, canvas: &Canvas<'_>, mark: &Mark, rect: &Rect, frame: &Frame) -> Result<(), Error> {
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
                for point in points.iter().map(|point| at(*point)).filter(|p| finite(p) && rect.contains(*p))
                {
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
                    let side =
                        |side: usize| path::thin(&run.iter().map(|edge| edge[side]).collect::<Vec<_>>());
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
                    let ends = [(left, end.min(base)), (right.max(left + 0.3), end.max(base))]
                        .map(|p| rect.clamp(p));
                    canvas.rect(ends[0], ends[1], style.colour, style.alpha)?;
                }
                if base < rect.bottom {
                    canvas.line(&[(rect.left, base), (rect.right, base)], INK, 1.0, THIN)?;
                }
            }
            Mark::Raster { rows, colour } => {
                let step = (rect.bottom - rect.top) / rows.len().max(1) as f64;
                for (row, times) in rows.iter().enumerate() {
                    let y = y_at(row as f64);
                    let half = 0.5 * (0.8 * step).min(step - 0.3).max(0.6);
                    for x in times.iter().map(|time| x_at(*time)).filter(|x| rect.contains((*x, y))) {
                        canvas.line(&[(x, y - half), (x, y + half)], *colour, 1.0, 0.9)?;
                    }
                }
            }
            Mark::Heat { rows, limit, .. } => {
                let mut cells: Vec<(Colour, usize, usize)> = Vec::new();
                for (row, values) in rows.iter().enumerate() {
                    cells.extend(
                        values.iter().enumerate().map(|(at, v)| (colour::diverging(v / limit), row, at)),
                    );
                }
                // Cells of one colour in a row of drawing calls share one element.
                cells.sort_by_key(|(Colour(r, g, b), ..)| [*r, *g, *b]);
                for (colour, row, column) in cells {
                    let (row, column) = (row as f64 - 0.5, column as f64 - 0.5);
                    canvas.rect(
                        (x_at(column), y_at(row)),
                        (x_at(column + 1.0), y_at(row + 1.0)),
                        colour,
                        1.0,
                    )?;
                }
            }
            Mark::Straight { slope, offset, style } => {
                let ends = [frame.x.low(), frame.x.high()].map(|x| at((x, slope * x + offset)));
                if ends.iter().all(finite) {
                    for piece in rect.clip(&ends) {
                        stroke(canvas, &piece, style)?;
                    }
                }
            }
            Mark::Horizontal(y) => {
                let y = y_at(*y);
                if rect.contains((rect.left, y)) {
                    canvas.line(&[(rect.left, y), (rect.right, y)], RULE, 1.0, THIN)?;
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
}

impl Mark {
    /// Whether there is anything of the data to see; lines that help to read them do not count.
    fn shows(&self) -> bool {
        let finite = |point: &Point| point.0.is_finite() && point.1.is_finite();
        match self {
            Self::Line { points, .. } | Self::Dots { points, .. } => points.iter().any(finite),
            Self::Area { x, low, .. } => zip(x, low).iter().any(finite),
            Self::Bars { bars, .. } => bars.iter().any(|bar| bar[2].is_finite() && bar[2] != 0.0),
            Self::Raster { rows, .. } | Self::Heat { rows, .. } => rows.iter().any(|row| !row.is_empty()),
            Self::Straight { .. } | Self::Horizontal(_) | Self::Vertical(_) | Self::Span(_) => false,
        }
    }

    fn style(&self) -> Option<&Style> {
        match self {
            Self::Line { style, .. }
            | Self::Dots { style, .. }
            | Self::Area { style, .. }
            | Self::Bars { style, .. }
            | Self::Straight { style, .. } => Some(style),
            _ => None,
        }
    }
}

/// The outer edges of `count` rows or columns, which are centred at whole numbers.
fn edges(count: usize) -> [f64; 2] {
    [-0.5, count.max(1) as f64 - 0.5]
}

fn zip(x: &[f64], y: &[f64]) -> Vec<Point> {
    x.iter().copied().zip(y.iter().copied()).collect()
}

fn place(frame: &Frame, rect: &Rect, point: Point) -> Point {
    (frame.x.place(point.0, [rect.left, rect.right]), frame.y.place(point.1, [rect.bottom, rect.top]))
}

fn power(exponent: i32) -> String {
    format!("\u{d7}10^{{{}}}", exponent.to_string().replace('-', "\u{2212}"))
}

fn stroke(canvas: &Canvas<'_>, points: &[Point], style: &Style) -> Result<(), Error> {
    if !style.dashed {
        return canvas.line(points, style.colour, style.alpha, style.width);
    }
    for piece in path::dash(points, DASH[0], DASH[1]) {
        canvas.line(&piece, style.colour, style.alpha, style.width)?;
    }
    Ok(())
}

fn draw_colour_bar(canvas: &Canvas<'_>, rect: &Rect, limit: f64, label: &str) -> Result<(), Error> {
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
