//! Colours that a colour-blind reader can tell apart (Okabe and Ito 2008), and scales for matrices.

/// A colour, as red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

/// Black.
pub const BLACK: Colour = Colour(0x1a, 0x1a, 0x1a);
/// Orange.
pub const ORANGE: Colour = Colour(0xe6, 0x9f, 0x00);
/// Sky blue.
pub const SKY: Colour = Colour(0x56, 0xb4, 0xe9);
/// Bluish green.
pub const GREEN: Colour = Colour(0x00, 0x9e, 0x73);
/// Yellow; for areas, too light for lines.
pub const YELLOW: Colour = Colour(0xf0, 0xe4, 0x42);
/// Blue.
pub const BLUE: Colour = Colour(0x00, 0x72, 0xb2);
/// Vermillion.
pub const VERMILLION: Colour = Colour(0xd5, 0x5e, 0x00);
/// Reddish purple.
pub const PURPLE: Colour = Colour(0xcc, 0x79, 0xa7);
/// Grey, for what stands in the background.
pub const GREY: Colour = Colour(0x8c, 0x8c, 0x8c);

pub(super) const WHITE: Colour = Colour(0xff, 0xff, 0xff);
/// Text and axes.
pub(super) const INK: Colour = Colour(0x2a, 0x2a, 0x2a);

/// Lines of reference.
pub(super) const RULE: Colour = Colour(0x60, 0x60, 0x60);

/// The colour of the series with this number; repeats after seven.
#[must_use]
pub fn cycle(series: usize) -> Colour {
    const ORDER: [Colour; 7] = [BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK];
    ORDER[series % ORDER.len()]
}

/// Stops from -1 to 1: blue, white, red (ColorBrewer's RdBu, reversed), distinct under every colour blindness.
const DIVERGING: [Colour; 9] = [
    Colour(0x21, 0x66, 0xac),
    Colour(0x43, 0x93, 0xc3),
    Colour(0x92, 0xc5, 0xde),
    Colour(0xd1, 0xe5, 0xf0),
    Colour(0xf9, 0xf9, 0xf9),
    Colour(0xfd, 0xdb, 0xc7),
    Colour(0xf4, 0xa5, 0x82),
    Colour(0xd6, 0x60, 0x4d),
    Colour(0xb2, 0x18, 0x2b),
];

/// Stops from 0 to 1: white to dark blue (ColorBrewer's Blues), which grow darker all the way.
const SEQUENTIAL: [Colour; 9] = [
    Colour(0xf7, 0xfb, 0xff),
    Colour(0xde, 0xeb, 0xf7),
    Colour(0xc6, 0xdb, 0xef),
    Colour(0x9e, 0xca, 0xe1),
    Colour(0x6b, 0xae, 0xd6),
    Colour(0x42, 0x92, 0xc6),
    Colour(0x21, 0x71, 0xb5),
    Colour(0x08, 0x51, 0x9c),
    Colour(0x08, 0x30, 0x6b),
];

/// How numbers become colours, in 101 levels so that equal cells share a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Colours for values from -1 to 1, white at 0.
    Diverging,
    /// Colours for values from 0 to 1.
    Sequential,
}

impl Scale {
    /// The levels of numbers.
    pub(super) const LEVELS: u8 = 101;
    /// The level after these, of what is not a number.
    pub(super) const MISSING: u8 = Self::LEVELS;

    /// The level of a number; those outside of the scale have that of its end.
    pub(super) fn level(self, value: f64) -> u8 {
        if value.is_nan() {
            return Self::MISSING;
        }
        match self {
            Self::Diverging => ((value.clamp(-1.0, 1.0) * 50.0).round() + 50.0) as u8,
            Self::Sequential => (value.clamp(0.0, 1.0) * 100.0).round() as u8,
        }
    }

    /// The colour of a level.
    pub(super) fn colour(self, level: u8) -> Colour {
        if level >= Self::MISSING {
            return Colour(0xbd, 0xbd, 0xbd);
        }
        let stops = match self {
            Self::Diverging => &DIVERGING,
            Self::Sequential => &SEQUENTIAL,
        };
        let at = f64::from(level) / f64::from(Self::LEVELS - 1) * (stops.len() - 1) as f64;
        let below = (at.floor() as usize).min(stops.len() - 2);
        let part = at - below as f64;
        let (a, b) = (stops[below], stops[below + 1]);
        let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
        Colour(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
    }
}

impl Colour {
    /// Whether white text can be read on it more easily than black text.
    pub(super) fn is_dark(self) -> bool {
        0.299 * f64::from(self.0) + 0.587 * f64::from(self.1) + 0.114 * f64::from(self.2) < 128.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scales_are_anchored() {
        let diverging = |value: f64| Scale::Diverging.colour(Scale::Diverging.level(value));
        assert_eq!(diverging(-7.0), DIVERGING[0]);
        assert_eq!(diverging(0.0), DIVERGING[4]);
        assert_eq!(diverging(1.0), DIVERGING[8]);
        assert_eq!(diverging(f64::NAN), Colour(0xbd, 0xbd, 0xbd));
        let sequential = |value: f64| Scale::Sequential.colour(Scale::Sequential.level(value));
        assert_eq!(sequential(-0.1), SEQUENTIAL[0]);
        assert_eq!(sequential(0.5), SEQUENTIAL[4]);
        assert_eq!(sequential(3.0), SEQUENTIAL[8]);
    }

    #[test]
    fn counts_grow_darker_all_the_way() {
        let light = |level: u8| {
            let Colour(r, g, b) = Scale::Sequential.colour(level);
            299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b)
        };
        assert!((1..Scale::LEVELS).all(|level| light(level) <= light(level - 1)));
        assert!(Scale::Sequential.colour(100).is_dark() && !Scale::Sequential.colour(0).is_dark());
    }
}
