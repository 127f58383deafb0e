//! What a panel is: a title, two axes, and marks.

use super::axis::{Axis, Tick};
use super::canvas::Point;
use super::colour::{BLACK, Colour, GREY};
use super::marks::{Mark, zip};
use super::style::Style;

/// A panel: a title, two axes, and marks that are drawn in the order in which they were added.
///
/// Slices of different lengths are cut to the shortest; values that are not finite (or not positive, on a log axis)
/// leave gaps.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) marks: Vec<Mark>,
    pub(super) note: Option<String>,
    pub(super) empty: Option<String>,
    pub(super) direct: bool,
    pub(super) blank: bool,
    pub(super) columns: usize,
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

    pub(super) fn heat_mark(&self) -> Option<(&[Vec<f64>], f64, &str)> {
        self.marks.iter().find_map(|mark| match mark {
            Mark::Heat { rows, limit, label } => Some((rows.as_slice(), *limit, label.as_str())),
            _ => None,
        })
    }

    /// The series that have a name, by their place among the marks.
    pub(super) fn named(&self) -> Vec<(usize, &Style, &str)> {
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
    pub(super) fn direct_names(&self) -> impl Iterator<Item = (&[Point], &Style, &str)> {
        self.marks.iter().filter(|_| self.direct).filter_map(|mark| match mark {
            Mark::Line { points, style } => Some((points.as_slice(), style, style.label.as_deref()?)),
            _ => None,
        })
    }
}
