//! Matrices as data: their entries, and the colours that stand for them.

use super::axis::{Axis, Ruler};
use super::colour::Scale;

/// The most entries that are drawn one by one; larger matrices become pictures, which are smaller files from about here on.
const DRAWN: usize = 6400;
/// The most rows, and the most columns, of a picture: more cannot be told apart on a page.
const PICTURED: usize = 480;

/// A matrix, row by row, the first at the top.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    /// The cells that are shown: the entries, or means of them where they are too many.
    pub(super) cells: Vec<Vec<f64>>,
    /// The numbers of rows and of columns before means were taken.
    size: [usize; 2],
    pub(super) scale: Scale,
    /// The number at which the colours saturate.
    pub(super) limit: f64,
    /// What the colour bar shows.
    pub(super) label: String,
    /// Whether the entries are written into their cells.
    pub(super) written: bool,
}

impl Matrix {
    pub(super) fn new(rows: &[Vec<f64>], scale: Scale, label: String) -> Self {
        let size = [rows.len(), rows.iter().map(Vec::len).max().unwrap_or(0)];
        let cells =
            if size.iter().any(|count| *count > PICTURED) { means(rows, size) } else { rows.to_vec() };
        let largest = cells.iter().flatten().filter(|v| v.is_finite()).fold(0.0, |m: f64, v| m.max(v.abs()));
        let limit = if largest > 0.0 { largest } else { 1.0 };
        Self { cells, size, scale, limit, label, written: false }
    }

    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.size[0]
    }

    /// The length of the longest row.
    pub(super) fn columns(&self) -> usize {
        self.size[1]
    }

    /// Height and width, one at least.
    pub(super) fn shape(&self) -> [f64; 2] {
        self.size.map(|count| count.max(1) as f64)
    }

    /// Whether cells are square: they are, unless the matrix is a strip.
    pub(super) fn is_square(&self) -> bool {
        let [rows, columns] = self.shape();
        rows.max(columns) / rows.min(columns) <= 4.0
    }

    /// The level of a number on the colour scale.
    pub(super) fn level(&self, number: f64) -> u8 {
        self.scale.level(number / self.limit)
    }

    /// The scale beside the colour bar.
    pub(super) fn ruler(&self) -> Ruler {
        match self.scale {
            Scale::Diverging => Axis::default().ruler([-self.limit, self.limit], 4),
            Scale::Sequential => {
                let counts = self.cells.iter().flatten().all(|entry| entry.fract() == 0.0);
                Axis { counts, ..Axis::default() }.ruler([0.0, self.limit], 4)
            }
        }
    }

    /// Whether the matrix has so many entries that it is shown as a picture.
    pub(super) fn is_large(&self) -> bool {
        self.cells.iter().map(Vec::len).sum::<usize>() > DRAWN || self.has_means()
    }

    /// Whether the cells are means of the entries.
    fn has_means(&self) -> bool {
        self.size.iter().any(|count| *count > PICTURED)
    }

    /// The levels of a picture, row by row, and the number of its columns. What is missing in short rows is not a number.
    pub(super) fn picture(&self) -> (usize, Vec<u8>) {
        let width = self.columns().min(PICTURED);
        let level = |row: &[f64], at: usize| self.level(row.get(at).copied().unwrap_or(f64::NAN));
        (width, self.cells.iter().flat_map(|row| (0..width).map(move |at| level(row, at))).collect())
    }
}

/// At most [`PICTURED`] rows and columns of cells, each of which has the mean of the finite entries that it covers, weighted by
/// the area that it covers of each.
fn means(rows: &[Vec<f64>], size: [usize; 2]) -> Vec<Vec<f64>> {
    let [height, width] = size.map(|count| count.min(PICTURED));
    let (down, across) = (shares(size[0], height), shares(size[1], width));
    let (mut sums, mut areas) = (vec![vec![0.0; width]; height], vec![vec![0.0; width]; height]);
    for (row, down) in rows.iter().zip(&down) {
        for (entry, across) in row.iter().zip(&across).filter(|(entry, _)| entry.is_finite()) {
            for (y, tall) in down.iter().filter(|(_, tall)| *tall > 0.0) {
                for (x, wide) in across.iter().filter(|(_, wide)| *wide > 0.0) {
                    sums[*y][*x] += tall * wide * entry;
                    areas[*y][*x] += tall * wide;
                }
            }
        }
    }
    for (sum, area) in sums.iter_mut().flatten().zip(areas.iter().flatten()) {
        // A cell without any finite entry has no area, and its mean is not a number.
        *sum /= area;
    }
    sums
}

/// For each of `count` entries the two of `cells` equal cells that it lies in, and the share of a cell that it takes of each.
fn shares(count: usize, cells: usize) -> Vec<[(usize, f64); 2]> {
    (0..count)
        .map(|at| {
            // In units of 1 / count of a cell, which are whole numbers.
            let (from, to) = (at * cells, (at + 1) * cells);
            let first = from / count;
            let border = ((first + 1) * count).min(to);
            let share = |length: usize| length as f64 / count as f64;
            [(first, share(border - from)), ((first + 1).min(cells - 1), share(to - border))]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, columns: usize, entry: impl Fn(usize, usize) -> f64) -> Matrix {
        let rows: Vec<Vec<f64>> =
            (0..rows).map(|row| (0..columns).map(|column| entry(row, column)).collect()).collect();
        Matrix::new(&rows, Scale::Sequential, String::new())
    }

    #[test]
    fn a_picture_has_the_entries_where_they_fit() {
        let (columns, cells) = matrix(90, 80, |row, column| (row * 80 + column) as f64).picture();
        assert_eq!((columns, cells.len()), (80, 7200));
        assert_eq!((cells[0], cells[7199], cells[3600]), (0, 100, 50));
    }

    #[test]
    fn larger_pictures_have_the_means() {
        // Two thirds of the columns are 1, and a border lies in the middle of a cell.
        let m = matrix(961, 3 * PICTURED / 2, |_, column| f64::from(column % 3 != 2));
        let (columns, cells) = m.picture();
        assert_eq!((columns, cells.len()), (PICTURED, PICTURED * PICTURED));
        assert_eq!(cells[..4], [100, 33, 100, 33]);
    }

    #[test]
    fn what_is_not_finite_is_left_out_of_means() {
        let m = matrix(1, 2 * PICTURED, |_, column| match column {
            0 | 2 | 3 => f64::NAN,
            _ => 1.0,
        });
        let (_, cells) = m.picture();
        assert_eq!(cells[..3], [100, Scale::MISSING, 100]);
    }

    #[test]
    fn shares_of_all_cells_are_whole() {
        for (count, number) in [(785, 480), (480, 480), (7, 3), (961, 480)] {
            let mut total = vec![0.0; number];
            for (cell, share) in shares(count, number).into_iter().flatten() {
                total[cell] += share;
            }
            assert!(total.iter().all(|share| (share - 1.0_f64).abs() < 1e-9), "{count} in {number}");
        }
    }
}
