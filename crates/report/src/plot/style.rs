//! How a series looks, and what it is called.

use super::colour::Colour;

/// How a series looks, and its name in the legend.
#[derive(Clone, Debug)]
pub struct Style {
    pub(super) colour: Colour,
    pub(super) label: Option<String>,
    pub(super) dashed: bool,
    pub(super) width: f64,
    pub(super) alpha: f64,
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
