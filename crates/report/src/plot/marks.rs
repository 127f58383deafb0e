//! What can stand in a panel, and how much of its axes each mark takes.

use super::canvas::Point;
use super::matrix::Matrix;
use super::style::Style;

/// One mark with its data.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    Line { points: Vec<Point>, style: Style },
    Dots { points: Vec<Point>, style: Style },
    Area { x: Vec<f64>, low: Vec<f64>, high: Vec<f64>, style: Style },
    Bars { bars: Vec<[f64; 3]>, style: Style },
    Raster { rows: Vec<Vec<f64>>, style: Style },
    Heat(Matrix),
    Straight { slope: f64, offset: f64, style: Style },
    Horizontal { y: f64, name: Option<String> },
    Vertical(f64),
    Span([f64; 2]),
}

impl Mark {
    /// Whether there is anything of the data to see; lines that help to read them do not count.
    pub(super) fn shows(&self) -> bool {
        let finite = |point: &Point| point.0.is_finite() && point.1.is_finite();
        match self {
            Self::Line { points, .. } | Self::Dots { points, .. } => points.iter().any(finite),
            Self::Area { x, low, .. } => zip(x, low).iter().any(finite),
            Self::Bars { bars, .. } => bars.iter().any(|bar| bar[2].is_finite() && bar[2] != 0.0),
            Self::Raster { rows, .. } => rows.iter().any(|row| !row.is_empty()),
            Self::Heat(matrix) => matrix.columns() > 0,
            Self::Straight { .. } | Self::Horizontal { .. } | Self::Vertical(_) | Self::Span(_) => false,
        }
    }

    /// How it looks, where that can be chosen.
    pub(super) fn style(&self) -> Option<&Style> {
        match self {
            Self::Line { style, .. }
            | Self::Dots { style, .. }
            | Self::Area { style, .. }
            | Self::Bars { style, .. }
            | Self::Raster { style, .. }
            | Self::Straight { style, .. } => Some(style),
            _ => None,
        }
    }

    /// The x coordinates that the mark takes.
    pub(super) fn x_data(&self) -> Vec<f64> {
        match self {
            Self::Line { points, .. } | Self::Dots { points, .. } => points.iter().map(|p| p.0).collect(),
            Self::Area { x, .. } => x.clone(),
            Self::Bars { bars, .. } => bars.iter().flat_map(|bar| [bar[0], bar[1]]).collect(),
            Self::Raster { rows, .. } => rows.concat(),
            Self::Heat(matrix) => edges(matrix.columns()).to_vec(),
            Self::Vertical(x) => vec![*x],
            Self::Span(span) => span.to_vec(),
            Self::Straight { .. } | Self::Horizontal { .. } => Vec::new(),
        }
    }

    /// The y coordinates that the mark takes.
    pub(super) fn y_data(&self) -> Vec<f64> {
        match self {
            Self::Line { points, .. } | Self::Dots { points, .. } => points.iter().map(|p| p.1).collect(),
            Self::Area { low, high, .. } => low.iter().chain(high).copied().collect(),
            Self::Bars { bars, .. } => bars.iter().map(|bar| bar[2]).chain([0.0]).collect(),
            Self::Raster { rows, .. } => edges(rows.len()).to_vec(),
            Self::Heat(matrix) => edges(matrix.rows()).to_vec(),
            Self::Horizontal { y, .. } => vec![*y],
            Self::Straight { .. } | Self::Vertical(_) | Self::Span(_) => Vec::new(),
        }
    }
}

/// The outer edges of `count` rows or columns, which are centred at whole numbers.
fn edges(count: usize) -> [f64; 2] {
    [-0.5, count.max(1) as f64 - 0.5]
}

/// Points of two slices, as many as the shorter one has.
pub(super) fn zip(x: &[f64], y: &[f64]) -> Vec<Point> {
    x.iter().copied().zip(y.iter().copied()).collect()
}
