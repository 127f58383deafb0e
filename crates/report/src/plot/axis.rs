//! One axis: its range, its ticks and the way from data to pixels.

use super::text;

/// A tick: where, and what it says (nothing at a minor tick).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

impl Tick {
    fn new(at: f64, label: impl Into<String>) -> Self {
        Self { at, label: label.into() }
    }

    /// Whether the tick is labelled.
    pub(super) fn is_major(&self) -> bool {
        !self.label.is_empty()
    }
}

/// What a panel says about an axis.
#[derive(Clone, Debug, Default)]
pub(super) struct Axis {
    pub(super) label: String,
    pub(super) log: bool,
    pub(super) range: Option<[f64; 2]>,
    pub(super) ticks: Option<Vec<Tick>>,
    pub(super) hidden: bool,
    /// Whether the axis counts rows or columns, which have no fractions.
    pub(super) counts: bool,
    /// Whether the ticks are names, each of which has a place of its own.
    pub(super) named: bool,
}

/// An axis with its range found and its ticks chosen.
#[derive(Clone, Debug)]
pub(super) struct Ruler {
    range: [f64; 2],
    log: bool,
    pub(super) ticks: Vec<Tick>,
    /// A power of ten that the tick labels are to be multiplied by; 0 for none.
    pub(super) exponent: i32,
}

impl Axis {
    /// The smallest range that holds the data, with `padding` (a share of its length) at each end.
    pub(super) fn range_of(&self, data: impl Iterator<Item = f64>, padding: [f64; 2]) -> [f64; 2] {
        let usable = |value: &f64| value.is_finite() && (!self.log || *value > 0.0);
        if let Some(range) = self.range.filter(|range| range.iter().all(usable) && range[0] != range[1]) {
            return range;
        }
        let [lo, hi] = data
            .filter(usable)
            .fold([f64::INFINITY, f64::NEG_INFINITY], |[lo, hi], value| [lo.min(value), hi.max(value)]);
        if lo > hi {
            return if self.log { [0.1, 10.0] } else { [0.0, 1.0] };
        }
        if self.log {
            let (lo, hi) = (lo.log10(), hi.log10());
            let length = if hi - lo < 1e-9 { 1.0 } else { hi - lo };
            return [10_f64.powf(lo - padding[0] * length), 10_f64.powf(hi + padding[1] * length)];
        }
        if hi - lo <= 1e-12 * hi.abs().max(lo.abs()) {
            let half = if hi == 0.0 { 1.0 } else { 0.1 * hi.abs() };
            return [lo - half, hi + half];
        }
        [lo - padding[0] * (hi - lo), hi + padding[1] * (hi - lo)]
    }

    /// Chooses about `count` ticks. A range that the data chose is stretched to a tick that it all but reaches.
    pub(super) fn ruler(&self, range: [f64; 2], count: usize) -> Ruler {
        let (mut lo, mut hi) = (range[0].min(range[1]), range[0].max(range[1]));
        let (ticks, exponent) = match &self.ticks {
            Some(ticks) => (ticks.clone(), 0),
            None if self.log => (log_ticks(lo, hi, count), 0),
            None => {
                let step = linear_step(lo, hi, count, self.counts);
                if self.range.is_none() && !self.counts {
                    let near = 0.012 * (hi - lo);
                    let (below, above) = ((lo / step).floor() * step, (hi / step).ceil() * step);
                    (lo, hi) = (
                        if lo - below < near { below } else { lo },
                        if above - hi < near { above } else { hi },
                    );
                }
                linear_ticks(lo, hi, step)
            }
        };
        let slack = 1e-9 * (hi - lo);
        let ticks = ticks.into_iter().filter(|tick| tick.at >= lo - slack && tick.at <= hi + slack).collect();
        let range = if range[0] <= range[1] { [lo, hi] } else { [hi, lo] };
        Ruler { range, log: self.log, ticks, exponent }
    }
}

impl Ruler {
    /// Where `value` lies between pixel `start` (the low end) and `end`.
    pub(super) fn place(&self, value: f64, [start, end]: [f64; 2]) -> f64 {
        let on = |value: f64| if self.log { value.log10() } else { value };
        let [lo, hi] = self.range.map(on);
        start + (on(value) - lo) / (hi - lo) * (end - start)
    }

    pub(super) fn low(&self) -> f64 {
        self.range[0].min(self.range[1])
    }

    pub(super) fn high(&self) -> f64 {
        self.range[0].max(self.range[1])
    }

    /// The widest line of the tick labels, in pixels.
    pub(super) fn label_width(&self, size: f64) -> f64 {
        self.ticks
            .iter()
            .flat_map(|tick| tick.label.lines())
            .fold(0.0, |widest, line| text::width(line, size).max(widest))
    }

    /// The most lines of any tick label.
    pub(super) fn label_lines(&self) -> usize {
        self.ticks.iter().map(|tick| tick.label.lines().count()).max().unwrap_or(0)
    }
}

/// A number with this many decimals and a true minus sign.
fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
    if zero { text.trim_start_matches('-').to_owned() } else { text.replace('-', "\u{2212}") }
}

/// 1, 2 or 5 times a power of ten: the largest that leaves about `count` ticks, and three at least.
fn linear_step(lo: f64, hi: f64, count: usize, counts: bool) -> f64 {
    let raw = (hi - lo) / count.max(1) as f64;
    let power = 10_f64.powf(raw.log10().floor());
    let number = |step: f64| (hi / step + 1e-9).floor() - (lo / step - 1e-9).ceil() + 1.0;
    let mut step = 10.0 * power;
    for factor in [5.0, 2.0, 1.0, 0.5, 0.2] {
        let finer = factor * power;
        if finer < raw * (1.0 - 1e-9) && (number(step) >= 3.0 || count < 2) {
            break;
        }
        step = finer;
    }
    if counts { step.max(1.0) } else { step }
}

/// Ticks at the multiples of `step`, and the power of ten that their labels leave out.
fn linear_ticks(lo: f64, hi: f64, step: f64) -> (Vec<Tick>, i32) {
    let largest = lo.abs().max(hi.abs());
    let magnitude = largest.log10().floor() as i32;
    let exponent = if (-2..6).contains(&magnitude) { 0 } else { magnitude };
    let unit = 10_f64.powi(exponent);
    let decimals = (-((step / unit).log10() + 1e-9).floor()).clamp(0.0, 12.0) as usize;
    let first = (lo / step - 1e-9).ceil();
    let number = ((hi / step + 1e-9).floor() - first).clamp(0.0, 1000.0) as usize;
    let ticks = (0..=number)
        .map(|at| (first + at as f64) * step)
        .map(|at| Tick::new(at, fixed(at / unit, decimals)))
        .collect();
    (ticks, exponent)
}

/// A power of ten that tick labels leave out.
pub(super) fn power(exponent: i32) -> String {
    format!("\u{d7}10^{{{}}}", exponent.to_string().replace('-', "\u{2212}"))
}

/// A power of ten, plainly where it is short.
fn power_label(mantissa: u32, power: i32) -> String {
    match power {
        0..=3 => format!("{}", mantissa * 10_u32.pow(power.unsigned_abs())),
        -2..=-1 => fixed(f64::from(mantissa) * 10_f64.powi(power), power.unsigned_abs() as usize),
        _ => {
            let power = fixed(f64::from(power), 0);
            if mantissa == 1 { format!("10^{{{power}}}") } else { format!("{mantissa}\u{b7}10^{{{power}}}") }
        }
    }
}

/// Labelled ticks at powers of ten (and at 2 and 5 where there is little range), minor ones at their multiples.
fn log_ticks(lo: f64, hi: f64, count: usize) -> Vec<Tick> {
    let (first, last) = (lo.log10().floor() as i32, hi.log10().ceil() as i32);
    let decades = (hi / lo).log10();
    let every = ((decades / count.max(1) as f64).ceil() as i32).max(1);
    // Fewer than three numbers say nothing about a scale: a short range gets more of them, at last those of a linear axis.
    let inside = |at: f64| at >= lo * (1.0 - 1e-9) && at <= hi * (1.0 + 1e-9);
    let numbers = |mantissas: &[u32]| {
        let at = |power: i32| mantissas.iter().map(move |&mantissa| f64::from(mantissa) * 10_f64.powi(power));
        (first..=last).flat_map(at).filter(|&at| inside(at)).count()
    };
    if decades < 1.0
        && numbers(&[1, 2, 5]) < 3
        && (decades >= 0.5 || numbers(&[1, 2, 3, 4, 5, 6, 7, 8, 9]) < 3)
    {
        let (ticks, exponent) = linear_ticks(lo, hi, linear_step(lo, hi, count, false));
        if exponent == 0 {
            return ticks;
        }
    }
    let mut ticks = Vec::new();
    for power in first..=last {
        for mantissa in 1..=9_u32 {
            let at = f64::from(mantissa) * 10_f64.powi(power);
            let labelled = match mantissa {
                1 => power.rem_euclid(every) == 0,
                2 | 5 => decades < 2.0,
                _ => decades < 0.5,
            };
            if labelled {
                ticks.push(Tick::new(at, power_label(mantissa, power)));
            } else if decades <= 8.0 || mantissa == 1 {
                ticks.push(Tick::new(at, ""));
            }
        }
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().filter(|tick| tick.is_major()).map(|tick| tick.label.as_str()).collect()
    }

    fn ticks(lo: f64, hi: f64, count: usize) -> (Vec<Tick>, i32) {
        linear_ticks(lo, hi, linear_step(lo, hi, count, false))
    }

    #[test]
    fn a_range_reaches_for_a_tick_close_by() {
        let ruler = Axis::default().ruler([0.0, 999.9], 5);
        assert_eq!((ruler.high(), ruler.ticks.len()), (1000.0, 6));
        let fixed = Axis { range: Some([0.0, 999.9]), ..Axis::default() }.ruler([0.0, 999.9], 5);
        assert_eq!(fixed.high(), 999.9);
    }

    #[test]
    fn counted_things_have_no_fractions() {
        let ruler = Axis { counts: true, ..Axis::default() }.ruler([-0.5, 1.5], 8);
        assert_eq!(labels(&ruler.ticks), ["0", "1"]);
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(labels(&ticks(0.0, 1.0, 5).0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&ticks(-0.51, 0.4, 2).0), ["\u{2212}0.4", "\u{2212}0.2", "0.0", "0.2", "0.4"]);
        assert_eq!(labels(&ticks(0.0, 1000.0, 4).0), ["0", "500", "1000"]);
    }

    #[test]
    fn small_and_large_numbers_share_an_exponent() {
        let (small, exponent) = ticks(0.0, 4.2e-4, 4);
        assert_eq!((labels(&small), exponent), (vec!["0", "2", "4"], -4));
        assert_eq!(ticks(0.0, 3e6, 3).1, 6);
    }

    #[test]
    fn log_ticks_are_powers_of_ten() {
        assert_eq!(labels(&log_ticks(1e-4, 1e4, 9)).first(), Some(&"10^{\u{2212}4}"));
        assert_eq!(labels(&log_ticks(1.0, 10.0, 5)), ["1", "2", "5", "10", "20", "50"]);
        assert!(labels(&log_ticks(1e-20, 1e10, 6)).len() <= 8);
    }

    #[test]
    fn a_short_log_axis_has_three_numbers() {
        for (lo, hi) in [(0.085, 0.25), (0.11, 0.19), (0.03, 0.2), (3.0, 70.0), (1.2, 1.4)] {
            let ticks = log_ticks(lo, hi, 4);
            let seen = ticks.iter().filter(|tick| tick.is_major() && tick.at >= lo && tick.at <= hi).count();
            assert!(seen >= 3, "{lo} {hi}: {:?}", labels(&ticks));
        }
    }

    #[test]
    fn ranges_survive_bad_data() {
        let axis = Axis::default();
        assert_eq!(axis.range_of([f64::NAN].into_iter(), [0.0; 2]), [0.0, 1.0]);
        assert_eq!(axis.range_of([2.0, 2.0].into_iter(), [0.0; 2]), [1.8, 2.2]);
        let log = Axis { log: true, ..Axis::default() };
        assert_eq!(log.range_of([-1.0, 0.0].into_iter(), [0.0; 2]), [0.1, 10.0]);
    }

    #[test]
    fn places_are_linear_or_logarithmic() {
        let ruler = Axis::default().ruler([0.0, 10.0], 5);
        assert_eq!(ruler.place(5.0, [100.0, 0.0]), 50.0);
        let ruler = Axis { log: true, ..Axis::default() }.ruler([1.0, 100.0], 5);
        assert_eq!(ruler.place(10.0, [0.0, 100.0]), 50.0);
    }
}
