#![doc = include_str!("../README.md")]
//!
//! # What is here
//!
//! - [`plot`]: [`Plot`](plot::Plot), a grid of [`Panel`](plot::Panel)s in one SVG;
//! - [`Page`]: headings, prose, tables, settings and plots in one HTML file; [`Section`], a part of one;
//! - [`numbers`]: numbers as people read them;
//! - [`markup`]: text that goes into XML and HTML.

mod error;
pub mod markup;
pub mod numbers;
mod page;
pub mod plot;
mod section;

pub use error::Error;
pub use page::Page;
pub use section::{Section, Tone};
