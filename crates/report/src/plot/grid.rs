//! A grid of panels in one drawing.

use super::canvas::Canvas;
use super::panel::Panel;
use crate::Error;

/// Space between neighbouring panels, in pixels.
const GAP: [f64; 2] = [18.0, 16.0];
/// Space around everything, in pixels.
const EDGE: f64 = 8.0;

/// A grid of panels, filled row by row.
#[derive(Clone, Debug)]
pub struct Plot {
    columns: usize,
    width: f64,
    row_height: f64,
    widths: Vec<f64>,
    heights: Vec<f64>,
    letters: bool,
    panels: Vec<Panel>,
}

/// Where a panel's cell lies.
struct Cell {
    row: usize,
    column: usize,
    span: usize,
}

impl Plot {
    /// An empty grid of `columns` columns, 720 pixels wide, its rows 190 pixels high.
    #[must_use]
    pub fn new(columns: usize) -> Self {
        Self {
            columns: columns.max(1),
            width: 720.0,
            row_height: 190.0,
            widths: Vec::new(),
            heights: Vec::new(),
            letters: false,
            panels: Vec::new(),
        }
    }

    /// Adds a panel at the next free place.
    #[must_use]
    pub fn panel(mut self, panel: Panel) -> Self {
        self.panels.push(panel);
        self
    }

    /// Sets the width of the whole plot and the height of a row, in pixels.
    #[must_use]
    pub fn size(mut self, width: f64, row_height: f64) -> Self {
        (self.width, self.row_height) = (width.max(120.0), row_height.max(60.0));
        self
    }

    /// Sets the columns' relative widths (1 where missing).
    #[must_use]
    pub fn widths(mut self, widths: &[f64]) -> Self {
        self.widths = widths.to_vec();
        self
    }

    /// Sets the rows' heights relative to the row height (1 where missing).
    #[must_use]
    pub fn heights(mut self, heights: &[f64]) -> Self {
        self.heights = heights.to_vec();
        self
    }

    /// Marks the panels A, B, C, ...
    #[must_use]
    pub fn letters(mut self) -> Self {
        self.letters = true;
        self
    }

    /// Draws everything.
    ///
    /// # Errors
    ///
    /// [`Error::NoPanel`] if there is no panel, [`Error::Draw`] if the drawing library refuses.
    pub fn render(&self) -> Result<String, Error> {
        if self.panels.is_empty() {
            return Err(Error::NoPanel);
        }
        let cells = self.cells();
        let rows = cells.last().map_or(1, |cell| cell.row + 1);
        let share = |given: &[f64], at: usize| given.get(at).copied().filter(|w| *w > 0.0).unwrap_or(1.0);
        let heights: Vec<f64> = (0..rows).map(|row| self.row_height * share(&self.heights, row)).collect();
        let total: f64 = (0..self.columns).map(|column| share(&self.widths, column)).sum();
        let free = self.width - 2.0 * EDGE - GAP[0] * (self.columns - 1) as f64;
        let widths: Vec<f64> = (0..self.columns).map(|c| free * share(&self.widths, c) / total).collect();
        let cell_width = |cell: &Cell| {
            widths[cell.column..cell.column + cell.span].iter().sum::<f64>() + GAP[0] * (cell.span - 1) as f64
        };

        // Margins are shared along columns and rows, so that axes line up.
        let mut frames: Vec<_> = self
            .panels
            .iter()
            .zip(&cells)
            .map(|(panel, cell)| panel.frame(cell_width(cell), heights[cell.row], self.letters))
            .collect();
        for at in 0..frames.len() {
            let (left, right) =
                frames.iter().zip(&cells).fold((0_f64, 0_f64), |(left, right), (frame, cell)| {
                    let same = |edge: usize, own: usize, value: f64| if edge == own { value } else { 0.0 };
                    let (own, end) = (&cells[at], cell.column + cell.span);
                    (
                        left.max(same(cell.column, own.column, frame.left)),
                        right.max(same(end, own.column + own.span, frame.right)),
                    )
                });
            (frames[at].left, frames[at].right) = (left, right);
        }
        for (at, panel) in self.panels.iter().enumerate() {
            let inner = cell_width(&cells[at]) - frames[at].left - frames[at].right;
            panel.finish_frame(&mut frames[at], inner, heights[cells[at].row]);
        }
        for at in 0..frames.len() {
            let row = || frames.iter().zip(&cells).filter(|(_, cell)| cell.row == cells[at].row);
            let top = row().fold(0_f64, |top, (frame, _)| top.max(frame.top));
            let bottom = row().fold(0_f64, |bottom, (frame, _)| bottom.max(frame.bottom));
            (frames[at].top, frames[at].bottom) = (top, bottom);
        }

        let height = 2.0 * EDGE + heights.iter().sum::<f64>() + GAP[1] * (rows - 1) as f64;
        let mut out = String::new();
        {
            let canvas = Canvas::new(&mut out, self.width, height)?;
            for (at, ((panel, cell), frame)) in self.panels.iter().zip(&cells).zip(&frames).enumerate() {
                let x = EDGE + widths[..cell.column].iter().sum::<f64>() + GAP[0] * cell.column as f64;
                let y = EDGE + heights[..cell.row].iter().sum::<f64>() + GAP[1] * cell.row as f64;
                let letter = self.letters.then(|| char::from(b'A' + (at % 26) as u8));
                panel.draw(&canvas, [x, y, cell_width(cell), heights[cell.row]], frame, letter)?;
            }
            canvas.finish()?;
        }
        Ok(out)
    }

    fn cells(&self) -> Vec<Cell> {
        let (mut row, mut column) = (0, 0);
        let mut cells = Vec::with_capacity(self.panels.len());
        for panel in &self.panels {
            let span = panel.columns().clamp(1, self.columns);
            if column + span > self.columns {
                (row, column) = (row + 1, 0);
            }
            cells.push(Cell { row, column, span });
            column += span;
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BLACK, BLUE, GREEN, ORANGE, SKY, Style};
    use super::*;

    /// Renders, checks that the SVG is well-formed XML and returns it.
    fn check(plot: &Plot) -> String {
        let svg = plot.render().unwrap();
        let document = roxmltree::Document::parse(&svg).unwrap();
        assert_eq!(document.root_element().tag_name().name(), "svg");
        // The letters of pictures may spell anything.
        let shapes: String = svg.lines().filter(|line| !line.starts_with("<image")).collect();
        assert!(!shapes.contains("NaN") && !shapes.contains("inf"), "non-finite coordinate");
        svg
    }

    fn noise(n: usize) -> Vec<f64> {
        let mut state = 1_u64;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
            })
            .collect()
    }

    #[test]
    fn every_kind_of_mark_is_well_formed() {
        let x = noise(50);
        let y = noise(50);
        let panel = || Panel::new("a < b & \"c\"").x_label("x_{1} (ms)").y_label("10^{-3} y");
        let plot = Plot::new(3)
            .letters()
            .panel(panel().line(&x, &y, Style::new(BLUE).label("<line>").dashed()).direct_labels())
            .panel(panel().scatter(&x, &y, Style::new(GREEN)).identity().fit(0.9, 0.0).note("r = 0.9"))
            .panel(panel().raster(&[vec![1.0, 2.0], vec![], vec![3.0]], BLACK))
            .panel(panel().heat(&[vec![1.0, -2.0], vec![f64::NAN, 0.5]], "weight").cell_values())
            .panel(panel().heat_from_zero(&[vec![1.0, 2.0], vec![f64::NAN]], "rate"))
            .panel(panel().confusion(&[vec![3, 1], vec![0, 4]], &["a & b", "<c>"]))
            .panel(panel().spikes(&x, &[0, 1, 2], 3, Style::new(BLUE).label("some")))
            .panel(panel().grouped_bars(&["a", "b"], &[(&x, Style::new(BLUE)), (&y, Style::new(GREEN))]))
            .panel(panel().histogram(&x, 10, Style::new(SKY)))
            .panel(panel().bars(&[("one", 1.0), ("a long name", -2.0)], BLUE))
            .panel(panel().area(&x, &x, &y, Style::new(ORANGE)).hline(0.0).vline(0.1).span(0.1, 0.2))
            .panel(Panel::blank())
            .panel(panel().log_x().log_y().line(
                &[1.0, 10.0, 0.0, 100.0],
                &[1e-3, 1.0, -1.0, 1e3],
                Style::new(BLACK),
            ));
        check(&plot);
    }

    #[test]
    fn degenerate_data_still_draws() {
        let flat = [2.0; 4];
        let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        for (x, y) in [(&flat, &flat), (&bad, &flat), (&flat, &bad), (&bad, &bad)] {
            let plot = Plot::new(2)
                .panel(Panel::new("").line(x, y, Style::new(BLUE)))
                .panel(Panel::new("").log_x().log_y().scatter(x, y, Style::new(BLUE)))
                .panel(Panel::new("").heat(&[], ""))
                .panel(Panel::new("").heat(&[bad.to_vec()], "").cell_values())
                .panel(Panel::new("").confusion(&[], &[]))
                .panel(Panel::new("").grouped_bars(&[], &[]))
                .panel(Panel::new("").spikes(x, &[9, 9], 0, Style::new(BLUE)))
                .panel(Panel::new("").histogram(x, 0, Style::new(BLUE)))
                .panel(Panel::new("").raster(&[], BLUE))
                .panel(Panel::new("").bars(&[], BLUE))
                .panel(Panel::new("").line(&[], &[], Style::new(BLUE).label("none")).direct_labels())
                .panel(Panel::new("").x_range(1.0, 1.0).y_range(f64::NAN, 2.0).line(x, y, Style::new(BLUE)));
            check(&plot);
        }
    }

    #[test]
    fn an_empty_panel_says_why() {
        let x = [1.0, 2.0];
        let empty = || Panel::new("").hline(0.5).span(0.0, 1.0).identity();
        for panel in [
            empty().line(&[], &[], Style::new(BLUE)),
            empty().line(&x, &[f64::NAN; 2], Style::new(BLUE).label("lost")),
            empty().raster(&[vec![], vec![]], BLACK),
            empty(),
        ] {
            let svg = check(&Plot::new(1).panel(panel.clone()));
            assert!(svg.contains("nothing to show"), "{svg}");
            let svg = check(&Plot::new(1).panel(panel.when_empty("no neuron fired")));
            assert!(svg.contains("no neuron fired"), "{svg}");
        }
        for panel in [
            Panel::new("").line(&[1.0], &[2.0], Style::new(BLUE)),
            Panel::new("").scatter(&x, &x, Style::new(BLUE)),
            Panel::new("").raster(&[vec![], vec![1.0]], BLACK),
            Panel::blank(),
        ] {
            assert!(!check(&Plot::new(1).panel(panel.when_empty("why"))).contains("why"));
        }
        // One point is something to see.
        let one = check(&Plot::new(1).panel(Panel::new("").line(&[1.0], &[2.0], Style::new(BLUE))));
        assert!(one.contains("circle"), "{one}");
    }

    #[test]
    fn a_plot_without_panels_is_an_error() {
        assert!(matches!(Plot::new(2).render(), Err(Error::NoPanel)));
    }

    #[test]
    fn files_stay_small() {
        let n = 100_000;
        let t: Vec<f64> = (0..n).map(|i| f64::from(i) * 0.1).collect();
        let y = noise(n as usize);
        let lines = Plot::new(1)
            .panel(Panel::new("").line(&t, &y, Style::new(BLUE)).line(&t, &y, Style::new(GREEN).dashed()))
            .panel(Panel::new("").line(&t, &y, Style::new(BLUE)));
        assert!(check(&lines).len() < 150_000);
        let matrix: Vec<Vec<f64>> = noise(6400).chunks(80).map(<[f64]>::to_vec).collect();
        assert!(check(&Plot::new(1).panel(Panel::new("").heat(&matrix, ""))).len() < 200_000);
        let spikes: Vec<Vec<f64>> =
            (0..80).map(|i| noise(22).iter().map(|x| x + f64::from(i)).collect()).collect();
        let rasters = (0..6).fold(Plot::new(3), |plot, _| plot.panel(Panel::new("").raster(&spikes, BLACK)));
        assert!(check(&rasters).len() < 300_000);
        assert!(check(&Plot::new(1).panel(Panel::new("").scatter(&y, &y, Style::new(BLUE)))).len() < 300_000);
    }

    #[test]
    fn many_spikes_and_large_matrices_are_pictures() {
        let numbers = noise(401_408);
        let large: Vec<Vec<f64>> = numbers.chunks(784).map(<[f64]>::to_vec).collect();
        let svg = check(&Plot::new(1).panel(Panel::new("").heat(&large, "weight")));
        assert!(svg.contains("<image ") && svg.len() < 300_000, "{}", svg.len());
        // A strip has few entries, but more columns than a picture.
        let strip: Vec<Vec<f64>> = numbers[..6000].chunks(600).map(<[f64]>::to_vec).collect();
        let svg = check(&Plot::new(1).panel(Panel::new("").heat(&strip, "weight")));
        assert!(svg.contains("<image ") && svg.len() < 50_000, "{}", svg.len());
        let times = &numbers[..200_000];
        let neuron: Vec<usize> = (0..times.len()).map(|at| at % 1000).collect();
        let svg = check(&Plot::new(1).panel(Panel::new("").spikes(times, &neuron, 1000, Style::new(BLACK))));
        assert!(svg.contains("<image ") && svg.len() < 150_000, "{}", svg.len());
        let few = Panel::new("").spikes(&times[..10_000], &neuron[..10_000], 1000, Style::new(BLACK));
        let svg = check(&Plot::new(1).panel(few));
        assert!(!svg.contains("<image ") && svg.len() < 150_000, "{}", svg.len());
    }

    #[test]
    fn spikes_have_the_strokes_of_their_rows() {
        let rows = check(&Plot::new(1).panel(Panel::new("").raster(&[vec![1.0, 3.0], vec![2.0]], BLUE)));
        let style = Style::new(BLUE);
        let pairs = Panel::new("").spikes(&[1.0, 2.0, 3.0, 9.0], &[0, 1, 0, 7], 2, style);
        assert_eq!(check(&Plot::new(1).panel(pairs)), rows);
    }

    #[test]
    fn counts_stand_in_their_cells_where_they_fit() {
        let classes = |number: usize| {
            let counts: Vec<Vec<u64>> = (0..number)
                .map(|row| {
                    (0..number as u64).map(|column| 70_000 * u64::from(row as u64 == column)).collect()
                })
                .collect();
            let names: Vec<String> = (0..number).map(|class| format!("class_{class}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            check(&Plot::new(1).panel(Panel::new("").confusion(&counts, &names)))
        };
        let few = classes(3);
        assert_eq!(few.matches(">70000<").count(), 3);
        assert!(few.contains(">class_2<"));
        let many = classes(60);
        assert!(!many.contains(">70000<") && many.contains(">class_0<"), "{many}");
    }

    #[test]
    fn names_without_room_stand_upright() {
        let bars = |names: &[&str]| {
            let bars: Vec<(&str, f64)> = names.iter().map(|name| (*name, 1.0)).collect();
            check(&Plot::new(1).size(300.0, 150.0).panel(Panel::new("").bars(&bars, BLUE)))
        };
        let turned = |svg: &str| svg.matches("rotate(-90)").count();
        let lying = turned(&bars(&["one", "two", "three"]));
        assert_eq!(turned(&bars(&["aeroplane"; 12])), lying + 12);
    }

    #[test]
    fn panels_fill_the_grid_row_by_row() {
        let plot = Plot::new(3)
            .panel(Panel::new("").columns_wide(2))
            .panel(Panel::new("").columns_wide(2))
            .panel(Panel::new(""))
            .panel(Panel::new("").columns_wide(9));
        let places: Vec<_> = plot.cells().iter().map(|cell| (cell.row, cell.column, cell.span)).collect();
        assert_eq!(places, [(0, 0, 2), (1, 0, 2), (1, 2, 1), (2, 0, 3)]);
    }
}
