//! What a panel is: a title, two axes, and marks.

use super::axis::{Axis, Tick};
use super::canvas::Point;
use super::colour::{BLACK, Colour, GREY, Scale};
use super::marks::{Mark, zip};
use super::matrix::Matrix;
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
    pub fn raster(self, rows: &[Vec<f64>], colour: Colour) -> Self {
        self.spike_rows(rows.to_vec(), Style::new(colour))
    }

    /// Adds spikes as a raster of `neurons` rows, the first at the bottom: each spike has its time and the index of its
    /// neuron. Spikes of neurons that are not there are left out. Populations of one network share a panel where each is
    /// added with a style of its own and the number of all neurons.
    ///
    /// ```
    /// use spikegrad_report::plot::{BLUE, Panel, Style, VERMILLION};
    ///
    /// Panel::new("Spikes")
    ///     .x_label("time (ms)")
    ///     .y_label("neuron")
    ///     .spikes(&[1.2, 3.4, 3.5], &[0, 1, 0], 3, Style::new(BLUE).label("excitatory"))
    ///     .spikes(&[2.0], &[2], 3, Style::new(VERMILLION).label("inhibitory"));
    /// ```
    #[must_use]
    pub fn spikes(self, times: &[f64], neuron: &[usize], neurons: usize, style: Style) -> Self {
        let mut rows = vec![Vec::new(); neurons];
        for (time, neuron) in times.iter().zip(neuron) {
            if let Some(row) = rows.get_mut(*neuron) {
                row.push(*time);
            }
        }
        self.spike_rows(rows, style)
    }

    fn spike_rows(mut self, rows: Vec<Vec<f64>>, style: Style) -> Self {
        self.marks.push(Mark::Raster { rows, style });
        self.y.counts = true;
        self
    }

    /// Shows a matrix row by row, the first at the top, on a colour scale that is symmetric about zero: weights. `label` names
    /// the colour bar. Not to be mixed with other marks.
    ///
    /// A matrix of more than 6400 entries is drawn as a picture. Of more than 480 rows or columns it shows means over
    /// neighbouring entries, and the colours reach to the largest mean.
    #[must_use]
    pub fn heat(self, rows: &[Vec<f64>], label: impl Into<String>) -> Self {
        self.matrix(Matrix::new(rows, Scale::Diverging, label.into()))
    }

    /// Shows a matrix likewise on a colour scale that begins at zero: counts, rates, shares. What is below zero looks like
    /// zero.
    #[must_use]
    pub fn heat_from_zero(self, rows: &[Vec<f64>], label: impl Into<String>) -> Self {
        self.matrix(Matrix::new(rows, Scale::Sequential, label.into()))
    }

    /// Shows how often trials of each class, row by row, were taken for each class, column by column. The counts stand in
    /// their cells where they fit.
    ///
    /// ```
    /// use spikegrad_report::plot::{Panel, Plot};
    ///
    /// let panel = Panel::new("Test trials").confusion(&[vec![48, 2], vec![5, 45]], &["left", "right"]);
    /// let svg = Plot::new(1).panel(panel).render()?;
    /// assert!(svg.contains(">true class<") && svg.contains(">48<"));
    /// # Ok::<(), spikegrad_report::Error>(())
    /// ```
    #[must_use]
    pub fn confusion(mut self, counts: &[Vec<u64>], classes: &[&str]) -> Self {
        let rows: Vec<Vec<f64>> =
            counts.iter().map(|row| row.iter().map(|count| *count as f64).collect()).collect();
        (self.x.label, self.y.label) = ("predicted class".to_owned(), "true class".to_owned());
        for axis in [&mut self.x, &mut self.y] {
            axis.ticks = Some(named_ticks(classes.iter().copied(), 0.0));
            axis.named = true;
        }
        self.matrix(Matrix::new(&rows, Scale::Sequential, "trials".to_owned())).cell_values()
    }

    fn matrix(mut self, matrix: Matrix) -> Self {
        self.marks.push(Mark::Heat(matrix));
        (self.x.counts, self.y.counts) = (true, true);
        self
    }

    /// Writes the entries of the matrices into their cells, where all of them fit.
    #[must_use]
    pub fn cell_values(mut self) -> Self {
        for mark in &mut self.marks {
            if let Mark::Heat(matrix) = mark {
                matrix.written = true;
            }
        }
        self
    }

    /// Sets the value at which the colour scale of the matrices saturates, so that panels can be compared.
    #[must_use]
    pub fn heat_limit(mut self, value: f64) -> Self {
        for mark in &mut self.marks {
            if let Mark::Heat(matrix) = mark
                && value.is_finite()
                && value > 0.0
            {
                matrix.limit = value;
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
        self.name_x(bars.iter().map(|(name, _)| *name));
        let place = |at: usize| at as f64 + 0.5;
        let bars = bars
            .iter()
            .enumerate()
            .map(|(at, (_, value))| [place(at) - 0.33, place(at) + 0.33, *value])
            .collect();
        self.marks.push(Mark::Bars { bars, style: Style::new(colour) });
        self
    }

    /// Adds several bars side by side above each name: one of each series, whose values are in the order of the names.
    ///
    /// ```
    /// use spikegrad_report::plot::{BLUE, ORANGE, Panel, Style};
    ///
    /// Panel::new("Accuracy").y_label("accuracy (%)").grouped_bars(
    ///     &["first", "second", "third"],
    ///     &[
    ///         (&[98.0, 97.0, 99.0], Style::new(BLUE).label("training")),
    ///         (&[91.0, 88.0, 95.0], Style::new(ORANGE).label("test")),
    ///     ],
    /// );
    /// ```
    #[must_use]
    pub fn grouped_bars(mut self, names: &[&str], series: &[(&[f64], Style)]) -> Self {
        self.name_x(names.iter().copied());
        let width = 0.76 / series.len().max(1) as f64;
        for (number, (values, style)) in series.iter().enumerate() {
            let bars = values.iter().take(names.len()).enumerate().map(|(at, value)| {
                let left = at as f64 + 0.12 + number as f64 * width;
                [left, left + 0.92 * width, *value]
            });
            self.marks.push(Mark::Bars { bars: bars.collect(), style: style.clone() });
        }
        self
    }

    /// Gives each name a place of width one on x.
    fn name_x<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let ticks = named_ticks(names, 0.5);
        self.x.range = Some([0.0, ticks.len().max(1) as f64]);
        (self.x.ticks, self.x.named) = (Some(ticks), true);
    }

    /// Adds a thin horizontal line across the panel.
    #[must_use]
    pub fn hline(mut self, y: f64) -> Self {
        self.marks.push(Mark::Horizontal { y, name: None });
        self
    }

    /// Adds a thin horizontal line with its name above its right end.
    ///
    /// ```
    /// use spikegrad_report::plot::{Panel, Plot};
    ///
    /// let svg = Plot::new(1).panel(Panel::new("Voltage").y_range(0.0, 1.1).named_hline(1.0, "threshold")).render()?;
    /// assert!(svg.contains(">threshold<"));
    /// # Ok::<(), spikegrad_report::Error>(())
    /// ```
    #[must_use]
    pub fn named_hline(mut self, y: f64, name: impl Into<String>) -> Self {
        self.marks.push(Mark::Horizontal { y, name: Some(name.into()) });
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

    pub(super) fn shown_matrix(&self) -> Option<&Matrix> {
        self.marks.iter().find_map(|mark| match mark {
            Mark::Heat(matrix) => Some(matrix),
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

/// Ticks with these names, the first at `first` and the others one apart.
fn named_ticks<'a>(names: impl Iterator<Item = &'a str>, first: f64) -> Vec<Tick> {
    names.enumerate().map(|(at, name)| Tick { at: at as f64 + first, label: name.to_owned() }).collect()
}
