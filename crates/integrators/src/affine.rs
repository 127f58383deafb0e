//! The closed-form step of an affine scalar equation `dv/dt = a v + c` with a hard reset, and its exact transpose
//! (equations (31), (32)): the crossing is located inside the step, several in one step included, and differentiated by
//! the implicit function theorem.

use simba::scalar::RealField;

/// The equation `dv/dt = a v + c`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine<T> {
    /// Rate `a`, 1/ms; negative for a leak.
    pub a: T,
    /// Constant drive `c`.
    pub c: T,
}

/// A hard reset: `v` is set to `value` when it reaches `threshold`, `value < threshold`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HardReset<T> {
    /// Threshold.
    pub threshold: T,
    /// Reset value.
    pub value: T,
}

/// The cotangents that the transpose adds to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AffineBar<T> {
    /// The cotangent of the state at the start of the step.
    pub v: T,
    /// The cotangent of the rate `a`.
    pub a: T,
    /// The cotangent of the drive `c`.
    pub c: T,
    /// The cotangent of the threshold.
    pub threshold: T,
    /// The cotangent of the reset value.
    pub value: T,
    /// The cotangent of the refractory time that was left at the start of the step.
    pub wait: T,
    /// The cotangent of the refractory time.
    pub refractory: T,
}

impl<T: RealField + Copy> AffineBar<T> {
    /// All zero.
    pub fn zero() -> Self {
        let zero = T::zero();
        Self { v: zero, a: zero, c: zero, threshold: zero, value: zero, wait: zero, refractory: zero }
    }
}

/// Where a step's spikes lie.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Crossings<T> {
    /// Time from the start of the step to the first spike.
    first: T,
    /// Time from reset to the next spike, without the pause.
    period: T,
    /// Spikes after the first.
    repeats: T,
    /// Time from the last reset to the end of the step.
    rest: T,
}

/// What happens in a step, see [`Affine::spike`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spike<T> {
    /// Whether there is a spike at all.
    pub fires: bool,
    /// Whether there may be more than one: then nothing else is known.
    pub repeats: bool,
    /// Whether the state was at or above threshold from the start.
    pub at_once: bool,
    /// `phi` of the time from the spike to the end of the step, if there is one.
    pub rest: T,
    /// The state at the end.
    pub end: T,
}

impl<T> Spike<T> {
    /// Whether there is at most one spike, from below threshold.
    #[inline(always)]
    pub fn is_simple(&self) -> bool {
        !(self.repeats | self.at_once)
    }
}

impl<T: RealField + Copy> Affine<T> {
    /// `a v + c`.
    #[inline(always)]
    pub fn rhs(&self, v: T) -> T {
        self.a * v + self.c
    }

    /// `(exp(a t) - 1) / a`, which a loop over many states with one rate computes once.
    #[inline(always)]
    pub fn phi(&self, t: T) -> T {
        if self.a == T::zero() { t } else { (self.a * t).exp_m1() / self.a }
    }

    /// The derivative of `phi` by `a`, `(t exp(a t) - phi) / a`, by its series where that cancels.
    #[inline]
    pub fn phi_by_a(&self, t: T) -> T {
        let x = self.a * t;
        let real = |x: f64| T::from_subset(&x);
        if x.abs() < real(0.1) {
            // sum over n >= 1 of n x^(n - 1) / (n + 1)!
            let mut sum = T::zero();
            for coefficient in [
                9.0 / 3_628_800.0,
                8.0 / 362_880.0,
                7.0 / 40_320.0,
                6.0 / 5_040.0,
                5.0 / 720.0,
                4.0 / 120.0,
                3.0 / 24.0,
                2.0 / 6.0,
                0.5,
            ] {
                sum = sum * x + real(coefficient);
            }
            t * t * sum
        } else {
            (t * x.exp() - self.phi(t)) / self.a
        }
    }

    /// `v` after a time `t` without a reset.
    #[inline(always)]
    pub fn advance(&self, v: T, t: T) -> T {
        self.advance_by(v, self.phi(t))
    }

    /// [`advance`](Self::advance) with `phi(t)` known.
    #[inline(always)]
    pub fn advance_by(&self, v: T, phi: T) -> T {
        v + self.rhs(v) * phi
    }

    /// The time from `v` to `level`, which the flow must reach.
    #[inline(always)]
    pub fn time_to(&self, v: T, level: T) -> T {
        let straight = (level - v) / self.rhs(v);
        if self.a == T::zero() { straight } else { (self.a * straight).ln_1p() / self.a }
    }

    /// The crossings of a step `h`, after each of which the state is held for `pause`.
    fn crossings(&self, reset: HardReset<T>, pause: T, v: T, h: T) -> Option<Crossings<T>> {
        // The flow is monotone: a threshold that it is not beyond at the end was not reached.
        if !(self.advance(v, h) >= reset.threshold) {
            return None;
        }
        // A state that was at or above threshold from the start fires at once.
        let first = if v < reset.threshold { self.time_to(v, reset.threshold) } else { T::zero() };
        let period = self.time_to(reset.value, reset.threshold);
        let cycle = period + pause;
        let rest = h - first;
        // From the reset value a flow that started above threshold need not come back to it: then no time is one.
        if !(period > T::zero() && rest >= cycle) {
            return Some(Crossings { first, period, repeats: T::zero(), rest });
        }
        let repeats: f64 = (rest / cycle).to_subset_unchecked();
        let repeats = T::from_subset(&repeats.floor());
        Some(Crossings { first, period, repeats, rest: rest - repeats * cycle })
    }

    /// The state after a step `h` from `v`, and how many spikes there were.
    #[inline(always)]
    pub fn step(&self, reset: HardReset<T>, v: T, h: T) -> (T, T) {
        self.step_by(reset, v, h, self.phi(h))
    }

    /// [`step`](Self::step) with `phi(h)` known, which stands in for the time: what is left of it after a spike is a quotient,
    /// without logarithms and exponentials.
    #[inline(always)]
    pub fn step_by(&self, reset: HardReset<T>, v: T, h: T, phi: T) -> (T, T) {
        let spike = self.spike(reset, v, self.advance_by(v, phi), phi);
        if spike.repeats
            && let Some(at) = self.crossings(reset, T::zero(), v, h)
        {
            return (self.advance(reset.value, at.rest), T::one() + at.repeats);
        }
        (spike.end, if spike.fires { T::one() } else { T::zero() })
    }

    /// What happens in a step from `v` that would end at `smooth` without a reset, `advance_by(v, phi)`. Which neurons fire
    /// cannot be foreseen, so there is no branch: a loop over many of them vectorises.
    #[inline(always)]
    pub fn spike(&self, reset: HardReset<T>, v: T, smooth: T, phi: T) -> Spike<T> {
        // The flow is monotone: a threshold that it is not beyond at the end was not reached. A state that was at or above
        // threshold from the start fires at once.
        let fires = smooth >= reset.threshold;
        let rest = (smooth - reset.threshold) / self.rhs(reset.threshold);
        let below = v < reset.threshold;
        let rest = if below & (rest <= phi) { rest } else { phi };
        let end = self.advance_by(reset.value, rest);
        let repeats = fires & (end >= reset.threshold);
        Spike { fires, repeats, at_once: fires & !below, rest, end: if fires { end } else { smooth } }
    }

    /// When the neuron spikes in a step as [`step_refractory`](Self::step_refractory) takes it, without a refractory time as
    /// [`step`](Self::step) does: the time from the start of the step to the first spike, and from each spike to the next; `None`
    /// without a spike.
    pub fn spike_times(&self, reset: HardReset<T>, refractory: T, (v, wait): (T, T), h: T) -> Option<(T, T)> {
        if wait >= h {
            return None;
        }
        let at = self.crossings(reset, refractory, v, h - wait)?;
        Some((wait + at.first, at.period + refractory))
    }

    /// The transpose of [`step`](Self::step): adds to `bar` for the cotangent `end_bar` of the step's end.
    pub fn step_vjp(&self, reset: HardReset<T>, v: T, h: T, end_bar: T, bar: &mut AffineBar<T>) {
        self.step_by_vjp(reset, v, h, (self.phi(h), self.phi_by_a(h)), end_bar, bar);
    }

    /// The transpose of [`step_by`](Self::step_by), with `phi(h)` and `phi_by_a(h)` known.
    #[inline(always)]
    pub fn step_by_vjp(
        &self,
        reset: HardReset<T>,
        v: T,
        h: T,
        growth: (T, T),
        end_bar: T,
        bar: &mut AffineBar<T>,
    ) {
        let spike = self.spike(reset, v, self.advance_by(v, growth.0), growth.0);
        if !spike.is_simple() {
            return self.several_spikes_vjp(reset, v, h, end_bar, bar);
        }
        let smooth_bar = self.spike_vjp(reset, &spike, end_bar, bar);
        let v_bar = self.advance_by_vjp(v, growth, smooth_bar, bar);
        bar.v += v_bar;
    }

    /// The transpose of a simple [`spike`](Self::spike), again without a branch: returns the cotangent of where the step would
    /// have ended without a reset, and adds to `bar` what the time between spike and end contributes.
    #[inline(always)]
    pub fn spike_vjp(&self, reset: HardReset<T>, spike: &Spike<T>, end_bar: T, bar: &mut AffineBar<T>) -> T {
        let rest = spike.rest;
        let jump = self.rhs(reset.value) * end_bar / self.rhs(reset.threshold);
        let grown = T::one() + self.a * rest;
        let if_fires = |x: T| if spike.fires { x } else { T::zero() };
        bar.value += if_fires(grown * end_bar);
        bar.threshold -= if_fires(grown * jump);
        bar.c += if_fires(rest * (end_bar - jump));
        bar.a += if_fires(rest * (reset.value * end_bar - reset.threshold * jump));
        if spike.fires { jump } else { end_bar }
    }

    /// The transpose of [`step`](Self::step) for spikes that are not simple.
    fn several_spikes_vjp(&self, reset: HardReset<T>, v: T, h: T, end_bar: T, bar: &mut AffineBar<T>) {
        let Some(at) = self.crossings(reset, T::zero(), v, h) else { return };
        let value_bar = self.advance_vjp(reset.value, at.rest, end_bar, bar);
        bar.value += value_bar;
        let end = self.advance(reset.value, at.rest);
        let first_bar = -self.rhs(end) * end_bar;
        self.first_vjp(reset, v, at.first, first_bar, bar);
        if at.repeats > T::zero() {
            let repeats_bar = first_bar * at.repeats;
            let value_bar = self.time_to_vjp(reset.value, reset.threshold, at.period, repeats_bar, bar);
            bar.value += value_bar;
        }
    }

    /// [`step`](Self::step) with an absolute refractory time: the state is held at the reset value for `refractory` after
    /// each spike, and `wait` is what is left of that at the start. Returns the state and what is left at the end, and the
    /// spikes.
    pub fn step_refractory(&self, reset: HardReset<T>, refractory: T, (v, wait): (T, T), h: T) -> (T, T, T) {
        if wait >= h {
            return (v, wait - h, T::zero());
        }
        let left = h - wait;
        match self.crossings(reset, refractory, v, left) {
            None => (self.advance(v, left), T::zero(), T::zero()),
            Some(at) if at.rest < refractory => (reset.value, refractory - at.rest, T::one() + at.repeats),
            Some(at) => (self.advance(reset.value, at.rest - refractory), T::zero(), T::one() + at.repeats),
        }
    }

    /// The transpose of [`step_refractory`](Self::step_refractory): adds to `bar` for the cotangents of the state and of the
    /// waiting time at the step's end.
    pub fn step_refractory_vjp(
        &self,
        reset: HardReset<T>,
        refractory: T,
        (v, wait): (T, T),
        h: T,
        (end_bar, end_wait_bar): (T, T),
        bar: &mut AffineBar<T>,
    ) {
        if wait >= h {
            bar.v += end_bar;
            bar.wait += end_wait_bar;
            return;
        }
        let left = h - wait;
        let Some(at) = self.crossings(reset, refractory, v, left) else {
            let add = self.advance_vjp(v, left, end_bar, bar);
            bar.v += add;
            bar.wait -= self.rhs(self.advance(v, left)) * end_bar;
            return;
        };
        // The cotangent of the time since the last spike.
        let rest_bar = if at.rest < refractory {
            bar.value += end_bar;
            bar.refractory += end_wait_bar;
            -end_wait_bar
        } else {
            let time = at.rest - refractory;
            let add = self.advance_vjp(reset.value, time, end_bar, bar);
            bar.value += add;
            let time_bar = self.rhs(self.advance(reset.value, time)) * end_bar;
            bar.refractory -= time_bar;
            time_bar
        };
        bar.wait -= rest_bar;
        bar.refractory -= at.repeats * rest_bar;
        self.first_vjp(reset, v, at.first, -rest_bar, bar);
        if at.repeats > T::zero() {
            let period_bar = -rest_bar * at.repeats;
            let add = self.time_to_vjp(reset.value, reset.threshold, at.period, period_bar, bar);
            bar.value += add;
        }
    }

    /// The transpose of the time of the first crossing, which is zero, whatever the state, at or above threshold.
    fn first_vjp(&self, reset: HardReset<T>, v: T, first: T, first_bar: T, bar: &mut AffineBar<T>) {
        if v < reset.threshold {
            let v_bar = self.time_to_vjp(v, reset.threshold, first, first_bar, bar);
            bar.v += v_bar;
        }
    }

    /// Adds to `a` and `c`; returns the cotangent of the start.
    fn advance_vjp(&self, v: T, t: T, end_bar: T, bar: &mut AffineBar<T>) -> T {
        self.advance_by_vjp(v, (self.phi(t), self.phi_by_a(t)), end_bar, bar)
    }

    /// The transpose of [`advance_by`](Self::advance_by), with `phi(t)` and `phi_by_a(t)` known: adds to `a` and `c` and
    /// returns the cotangent of the start.
    #[inline(always)]
    pub fn advance_by_vjp(&self, v: T, (phi, phi_by_a): (T, T), end_bar: T, bar: &mut AffineBar<T>) -> T {
        bar.c += phi * end_bar;
        bar.a += (v * phi + self.rhs(v) * phi_by_a) * end_bar;
        (T::one() + self.a * phi) * end_bar
    }

    /// `advance(v, t) = level` differentiated: adds to `a`, `c` and threshold; returns the cotangent of the start.
    fn time_to_vjp(&self, v: T, level: T, t: T, t_bar: T, bar: &mut AffineBar<T>) -> T {
        let level_bar = t_bar / self.rhs(level);
        bar.threshold += level_bar;
        self.advance_vjp(v, t, -level_bar, bar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_dual::Dual64;
    use proptest::prelude::*;

    #[test]
    fn several_spikes_in_one_step_are_the_same_as_in_many() {
        let flow = Affine { a: -0.05, c: 0.3 };
        let reset = HardReset { threshold: 1.0, value: 0.0 };
        let (end, spikes) = flow.step(reset, 0.2, 20.0);
        let (mut v, mut count) = (0.2_f64, 0.0);
        for _ in 0..2000 {
            let (next, k) = flow.step(reset, v, 0.01);
            (v, count) = (next, count + k);
        }
        assert_eq!(spikes, count);
        assert!(spikes > 3.0 && (end - v).abs() < 1e-11, "{end} {v}");
    }

    #[test]
    fn refractory_steps_meet_their_closed_form_at_any_length() {
        let (flow, reset, pause) =
            (Affine { a: -0.05, c: 0.3 }, HardReset { threshold: 1.0, value: 0.0 }, 1.3);
        let period = flow.time_to(0.0, 1.0) + pause;
        let first = flow.time_to(0.2, 1.0);
        for h in [0.1, 1.0, 7.0, 40.0] {
            let (mut v, mut wait, mut spikes, steps) = (0.2_f64, 0.0, 0.0, (280.0_f64 / h).round() as usize);
            for n in 0..steps {
                let (end, left, k) = flow.step_refractory(reset, pause, (v, wait), h);
                let times = flow.spike_times(reset, pause, (v, wait), h);
                assert_eq!(times.is_some(), k > 0.0, "{h}");
                if let Some((at, next)) = times {
                    let time = h * n as f64 + at;
                    assert!((time - first - spikes * period).abs() < 1e-9, "{h}: {time}");
                    assert!((next - period).abs() < 1e-12, "{h}: {next} {period}");
                }
                (v, wait, spikes) = (end, left, spikes + k);
            }
            let time = h * steps as f64 - first;
            assert_eq!(spikes, 1.0 + (time / period).floor(), "{h}");
            let since = time - period * (time / period).floor();
            let (end, left) =
                if since < pause { (0.0, pause - since) } else { (flow.advance(0.0, since - pause), 0.0) };
            assert!((v - end).abs() < 1e-11 && (wait - left).abs() < 1e-11, "{h}: {v} {end} {wait} {left}");
        }
    }

    #[test]
    fn a_state_above_threshold_fires_at_once() {
        let reset = HardReset { threshold: 1.0, value: 0.25 };
        // The current holds the first, lets the second fall past its threshold later on, and drives the third.
        for c in [0.04_f64, 0.06, 0.09] {
            let flow = Affine { a: -0.05, c };
            assert_eq!(flow.spike_times(reset, 0.3, (1.2, 0.0), 1.0).map(|(first, _)| first), Some(0.0));
            assert_eq!(flow.step(reset, 1.2, 1.0), (flow.advance(0.25, 1.0), 1.0));
            let (end, wait, spikes) = flow.step_refractory(reset, 0.3, (1.2, 0.0), 1.0);
            assert_eq!((wait, spikes), (0.0, 1.0));
            assert!((end - flow.advance(0.25, 0.7)).abs() < 1e-15);
        }
    }

    /// Below threshold and, as an initial state can be, above.
    fn starts() -> impl Strategy<Value = f64> {
        prop_oneof![4 => -0.5..0.999_f64, 1 => 1.001..1.5_f64]
    }

    proptest! {
        #[test]
        fn refractory_transpose_equals_dual_numbers(
            a in -0.2..-0.001_f64, c in -0.2..0.5_f64, v in starts(), value in -0.4..0.4_f64, h in 0.05..20.0_f64,
            wait in prop_oneof![Just(0.0), 0.01..3.0_f64], pause in 0.1..3.0_f64, bars in prop::array::uniform2(-1.0..1.0_f64),
        ) {
            let (flow, reset) = (Affine { a, c }, HardReset { threshold: 1.0, value });
            let mut bar = AffineBar::zero();
            flow.step_refractory_vjp(reset, pause, (v, wait), h, (bars[0], bars[1]), &mut bar);
            let by = |i: usize| {
                let seed = |x: f64, j: usize| Dual64::new(x, f64::from(i == j));
                let flow = Affine { a: seed(a, 1), c: seed(c, 2) };
                let reset = HardReset { threshold: seed(1.0, 3), value: seed(value, 4) };
                let start = (seed(v, 0), seed(wait, 6));
                let (end, left, _) = flow.step_refractory(reset, seed(pause, 5), start, Dual64::new(h, 0.0));
                end.eps * bars[0] + left.eps * bars[1]
            };
            let all = [bar.v, bar.a, bar.c, bar.threshold, bar.value, bar.refractory, bar.wait];
            for (i, bar) in all.into_iter().enumerate() {
                let oracle = by(i);
                prop_assert!((bar - oracle).abs() <= 1e-11 * (1.0 + oracle.abs()), "{i}: {bar} {oracle}");
            }
        }

        #[test]
        fn transpose_equals_dual_numbers(
            a in prop_oneof![-0.2..-0.001_f64, Just(-1e-7)], c in -0.2..0.5_f64, v in starts(),
            value in -0.4..0.4_f64, h in 0.05..20.0_f64, end_bar in -1.0..1.0_f64,
        ) {
            let (flow, reset) = (Affine { a, c }, HardReset { threshold: 1.0, value });
            let mut bar = AffineBar::zero();
            flow.step_vjp(reset, v, h, end_bar, &mut bar);
            let by = |i: usize| {
                let seed = |x: f64, j: usize| Dual64::new(x, f64::from(i == j));
                let flow = Affine { a: seed(a, 1), c: seed(c, 2) };
                let reset = HardReset { threshold: seed(1.0, 3), value: seed(value, 4) };
                flow.step(reset, seed(v, 0), Dual64::new(h, 0.0)).0.eps * end_bar
            };
            for (i, bar) in [bar.v, bar.a, bar.c, bar.threshold, bar.value].into_iter().enumerate() {
                // Dual numbers cancel in exp_m1(a t) / a where a is small; the series of the transpose does not.
                let tolerance = if a.abs() < 1e-5 { 1e-6 } else { 1e-11 };
                let oracle = by(i);
                prop_assert!((bar - oracle).abs() <= tolerance * (1.0 + oracle.abs()), "{i}: {bar} {oracle}");
            }
        }
    }
}
