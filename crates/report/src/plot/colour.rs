//! Colours that a colour-blind reader can tell apart (Okabe and Ito 2008), and a diverging scale.

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

/// The colour of `value` in [-1, 1], in 101 levels so that equal cells share a path; grey if it is not a number.
pub(super) fn diverging(value: f64) -> Colour {
    if value.is_nan() {
        return Colour(0xbd, 0xbd, 0xbd);
    }
    let level = (value.clamp(-1.0, 1.0) * 50.0).round() / 50.0;
    let at = (level + 1.0) / 2.0 * (DIVERGING.len() - 1) as f64;
    let below = (at.floor() as usize).min(DIVERGING.len() - 2);
    let part = at - below as f64;
    let (a, b) = (DIVERGING[below], DIVERGING[below + 1]);
    let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
    Colour(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diverging_scale_is_anchored() {
        assert_eq!(diverging(-7.0), DIVERGING[0]);
        assert_eq!(diverging(0.0), DIVERGING[4]);
        assert_eq!(diverging(1.0), DIVERGING[8]);
        assert_eq!(diverging(f64::NAN), Colour(0xbd, 0xbd, 0xbd));
    }
}
