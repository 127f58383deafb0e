#![doc = include_str!("../README.md")]
//!
//! # To do X, take Y
//!
//! | you want | take |
//! |---|---|
//! | a plot | [`Plot`](plot::Plot), a grid of [`Panel`](plot::Panel)s; `render` gives SVG |
//! | lines, dots, bars, spikes, matrices | the methods of [`Panel`](plot::Panel); a [`Style`](plot::Style) has colour and name |
//! | a page with plots, tables and settings | [`Page`]; a part of one is a [`Section`] |
//! | numbers as people read them | [`numbers`] |
//! | text in HTML or XML | [`markup`] |

mod error;
pub mod markup;
pub mod numbers;
mod page;
pub mod plot;
mod section;

pub use error::Error;
pub use page::Page;
pub use section::{Section, Tone};
