//! Plots for print: a grid of panels in one SVG.
//!
//! ```
//! use spikegrad_report::plot::{BLUE, Panel, Plot, Style, VERMILLION};
//!
//! let t: Vec<f64> = (0..200).map(f64::from).collect();
//! let target: Vec<f64> = t.iter().map(|t| (t / 20.0).sin()).collect();
//! let readout: Vec<f64> = t.iter().map(|t| (t / 20.0).sin() + 0.05 * (t / 3.0).cos()).collect();
//! let svg = Plot::new(1)
//!     .panel(
//!         Panel::new("Readout")
//!             .x_label("time (ms)")
//!             .y_label("output o_{1}")
//!             .line(&t, &target, Style::new(BLUE).label("target"))
//!             .line(&t, &readout, Style::new(VERMILLION).label("readout").dashed()),
//!     )
//!     .render()?;
//! assert!(svg.starts_with("<svg"));
//! # Ok::<(), spikegrad_report::Error>(())
//! ```
//!
//! Labels may hold `_{sub}` and `^{super}`. Lines of any length are thinned to what can be seen, so files stay small. Rasters of many spikes and large matrices become pictures inside the drawing.
//!
//! Drawing goes through plotters to a backend of ours: its own SVG backend rounds to whole pixels and writes one
//! element per stroke, which shows in print and makes rasters and matrices megabytes.

mod axes;
mod axis;
mod canvas;
mod colour;
mod drawing;
mod grid;
mod heat;
mod layout;
mod marks;
mod matrix;
mod panel;
mod path;
mod png;
mod raster;
mod style;
mod svg;
mod text;

pub use colour::{BLACK, BLUE, Colour, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, YELLOW, cycle};
pub use grid::Plot;
pub use panel::Panel;
pub use style::Style;
