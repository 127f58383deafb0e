//! The Runge-Kutta step of a few variables of which the first is reset at a threshold, for flows without a closed form,
//! and its exact transpose (equations (47) to (50)): the crossing is a root of the step's dense output, several in one
//! step and one that has come back by the end of it included, and it is differentiated by the implicit function theorem.
//!
//! A step is a sequence of *legs*, each of which ends with a spike or with the step.

use simba::scalar::RealField;

use crate::Tableau;
use crate::hermite::Dense;
use crate::tableau::MAX_STAGES;

/// The most spikes in one step; a state that fires more often becomes NaN, which every sweep reports.
pub const MAX_SPIKES: u32 = 1000;

/// An equation `dx/dt = f(x)` whose first variable is reset when it reaches a threshold from below.
pub trait FiringField<T> {
    /// The state, a short array.
    type State: Copy + AsRef<[T]> + AsMut<[T]>;

    /// `f(x)`.
    fn rhs(&self, x: &Self::State) -> Self::State;

    /// The threshold of the first variable.
    fn threshold(&self) -> T;

    /// The state after a spike, for the state `x` at threshold.
    fn jump(&self, x: &Self::State) -> Self::State;

    /// For how long the first variable is held after a spike, ms. The others go on.
    fn refractory(&self) -> T;
}

/// The exact derivatives of a [`FiringField`]. Every product *adds*; cotangents of parameters stay with the field.
pub trait FiringFieldVjp<T>: FiringField<T> {
    /// Adds `(df/dx)^T f_bar` to `x_bar`.
    fn rhs_vjp(&mut self, x: &Self::State, f_bar: &Self::State, x_bar: &mut Self::State);

    /// Adds the transposed product of [`jump`](FiringField::jump) to `before_bar`.
    fn jump_vjp(&mut self, before: &Self::State, after_bar: &Self::State, before_bar: &mut Self::State);

    /// Adds the cotangent of the threshold.
    fn threshold_vjp(&mut self, threshold_bar: T);

    /// Adds the cotangent of the refractory time.
    fn refractory_vjp(&mut self, refractory_bar: T);
}

/// The step of a method, with the resets inside it.
///
/// ```
/// use spikegrad_integrators::{FiringField, ResetStep, tableau};
/// /// `dv/dt = v^2 + 1`, reset from 10 to -10.
/// struct Quadratic;
/// impl FiringField<f64> for Quadratic {
///     type State = [f64; 1];
///     fn rhs(&self, [v]: &[f64; 1]) -> [f64; 1] { [v * v + 1.0] }
///     fn threshold(&self) -> f64 { 10.0 }
///     fn jump(&self, _: &[f64; 1]) -> [f64; 1] { [-10.0] }
///     fn refractory(&self) -> f64 { 0.0 }
/// }
/// let step = ResetStep { tableau: tableau::RK4, h: 0.01 };
/// let (mut x, mut wait, mut spikes) = ([-10.0], 0.0, 0);
/// for _ in 0..1000 {
///     spikes += step.step(&Quadratic, &mut x, &mut wait);
/// }
/// // From reset to threshold it takes 2 arctan 10.
/// assert_eq!(spikes, (10.0 / (2.0 * 10.0_f64.atan())) as u32);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResetStep<T> {
    /// The method.
    pub tableau: Tableau,
    /// The step, ms.
    pub h: T,
}

/// A place in the middle of a step, or its cotangent.
#[derive(Clone, Copy)]
struct Moment<T, X> {
    x: X,
    /// What is left of the refractory time.
    wait: T,
    /// What is left of the step.
    left: T,
}

/// One Runge-Kutta step within a leg.
struct Flight<T, X> {
    time: T,
    points: [X; MAX_STAGES],
    output: Dense<X>,
}

/// Where a flight reaches the threshold.
struct Crossing<T, X> {
    /// The time, as a fraction of the flight.
    theta: T,
    before: X,
}

/// A flight goes from a moment to the next spike or to the end of the step.
struct Leg<T, X> {
    /// `None` if the neuron is refractory to the end of the step.
    flight: Option<Flight<T, X>>,
    crossing: Option<Crossing<T, X>>,
    end: Moment<T, X>,
}

fn zero_like<T: RealField + Copy, X: Copy + AsMut<[T]>>(x: &X) -> X {
    let mut zero = *x;
    zero.as_mut().fill(T::zero());
    zero
}

/// `f`, or, while the first variable is held, `f` without it.
#[inline(always)]
fn slope<T: RealField + Copy, F: FiringField<T>>(field: &F, x: &F::State, held: bool) -> F::State {
    let mut f = field.rhs(x);
    if held {
        f.as_mut()[0] = T::zero();
    }
    f
}

impl<T: RealField + Copy> ResetStep<T> {
    /// Turns `x` and what is `wait`ed for of the refractory time into those of the step's end; returns the spikes.
    pub fn step<F: FiringField<T>>(&self, field: &F, x: &mut F::State, wait: &mut T) -> u32 {
        let mut at = Moment { x: *x, wait: *wait, left: self.h };
        for spikes in 0..=MAX_SPIKES {
            let leg = self.leg(field, &at);
            at = leg.end;
            if leg.crossing.is_none() {
                (*x, *wait) = (at.x, at.wait);
                return spikes;
            }
        }
        x.as_mut().fill(T::from_subset(&f64::NAN));
        MAX_SPIKES
    }

    /// Calls `visit(t, dv/dt)` for every spike of the step from `x`: its time since the start of the step, and the slope of
    /// the first variable as it reaches the threshold.
    pub fn spikes<F: FiringField<T>>(&self, field: &F, x: &F::State, wait: T, mut visit: impl FnMut(T, T)) {
        let mut at = Moment { x: *x, wait, left: self.h };
        for _ in 0..=MAX_SPIKES {
            let leg = self.leg(field, &at);
            let (Some(flight), Some(crossing)) = (&leg.flight, &leg.crossing) else { return };
            visit(self.h - leg.end.left, flight.output.slope(flight.time, crossing.theta, 0) / flight.time);
            at = leg.end;
        }
    }

    /// The transpose of [`step`](Self::step) from `x` and `wait`: turns the cotangents of the step's end into those of its
    /// start.
    pub fn step_vjp<F: FiringFieldVjp<T>>(
        &self,
        field: &mut F,
        x: &F::State,
        wait: T,
        x_bar: &mut F::State,
        wait_bar: &mut T,
    ) {
        let start = Moment { x: *x, wait, left: self.h };
        let mut bar = Moment { x: *x_bar, wait: *wait_bar, left: T::zero() };
        let (mut at, mut legs) = (start, 0);
        loop {
            let leg = self.leg(field, &at);
            if leg.crossing.is_none() || legs > MAX_SPIKES {
                self.leg_vjp(field, &at, &leg, &mut bar);
                break;
            }
            (at, legs) = (leg.end, legs + 1);
        }
        // Few steps have a spike and fewer have several: earlier legs are found again from the start instead of kept.
        for index in (0..legs).rev() {
            at = start;
            for _ in 0..index {
                at = self.leg(field, &at).end;
            }
            let leg = self.leg(field, &at);
            self.leg_vjp(field, &at, &leg, &mut bar);
        }
        (*x_bar, *wait_bar) = (bar.x, bar.wait);
    }

    fn leg<F: FiringField<T>>(&self, field: &F, at: &Moment<T, F::State>) -> Leg<T, F::State> {
        let (mut x, mut time) = (at.x, at.left);
        if at.wait > T::zero() {
            if at.wait >= at.left {
                let x = self.hold(field, &at.x, at.left);
                let end = Moment { x, wait: at.wait - at.left, left: T::zero() };
                return Leg { flight: None, crossing: None, end };
            }
            x = self.hold(field, &at.x, at.wait);
            time = at.left - at.wait;
        }
        let flight = self.fly(field, &x, time);
        let threshold = field.threshold();
        let (crossing, end) = match flight.output.first_crossing(time, threshold) {
            None => (None, Moment { x: flight.output.x1, wait: T::zero(), left: T::zero() }),
            Some(theta) => {
                let mut before = flight.output.at(time, theta);
                before.as_mut()[0] = threshold;
                let (x, left) = (field.jump(&before), time * (T::one() - theta));
                (Some(Crossing { theta, before }), Moment { x, wait: field.refractory(), left })
            }
        };
        Leg { flight: Some(flight), crossing, end }
    }

    /// The transpose of [`leg`](Self::leg): turns `bar` of its end into that of its start `at`.
    fn leg_vjp<F: FiringFieldVjp<T>>(
        &self,
        field: &mut F,
        at: &Moment<T, F::State>,
        leg: &Leg<T, F::State>,
        bar: &mut Moment<T, F::State>,
    ) {
        let Some(flight) = &leg.flight else {
            let time_bar = self.hold_vjp(field, &at.x, at.left, &mut bar.x);
            bar.left = time_bar - bar.wait;
            return;
        };
        let time_bar = match &leg.crossing {
            None => self.flight_vjp(field, flight, &mut bar.x),
            Some(crossing) => self.crossing_vjp(field, flight, crossing, bar),
        };
        (bar.wait, bar.left) = (T::zero(), time_bar);
        if at.wait > T::zero() {
            bar.wait = self.hold_vjp(field, &at.x, at.wait, &mut bar.x) - time_bar;
        }
    }

    /// The transpose of a flight to a spike, of the jump and of what they make of the time, equation (50): turns the
    /// state of `bar` into that of the flight's start and returns the cotangent of the flight's time.
    fn crossing_vjp<F: FiringFieldVjp<T>>(
        &self,
        field: &mut F,
        flight: &Flight<T, F::State>,
        crossing: &Crossing<T, F::State>,
        bar: &mut Moment<T, F::State>,
    ) -> T {
        let (time, theta, output) = (flight.time, crossing.theta, &flight.output);
        field.refractory_vjp(bar.wait);
        let mut before_bar = zero_like(&bar.x);
        field.jump_vjp(&crossing.before, &bar.x, &mut before_bar);
        let mut theta_bar = -time * bar.left;
        for (c, &before_bar) in before_bar.as_ref().iter().enumerate().skip(1) {
            theta_bar += before_bar * output.slope(time, theta, c);
        }
        // The root moves with the threshold, and against the dense output of the first variable.
        let root_bar = theta_bar / output.slope(time, theta, 0);
        field.threshold_vjp(before_bar.as_ref()[0] + root_bar);
        before_bar.as_mut()[0] = -root_bar;

        let mut ends = zero_like(&bar.x);
        let mut time_bar = (T::one() - theta) * bar.left;
        let zero = zero_like(&bar.x);
        let slopes = output.slopes.map(|_| [zero; 2]);
        let mut at_bar = Dense { x0: zero, x1: zero, slopes };
        time_bar += output.at_vjp(time, theta, &before_bar, &mut at_bar);
        ends.as_mut().copy_from_slice(at_bar.x1.as_ref());
        if let Some([_, f1_bar]) = &at_bar.slopes {
            field.rhs_vjp(&output.x1, f1_bar, &mut ends);
        }
        time_bar += self.flight_vjp(field, flight, &mut ends);
        if let Some([f0_bar, _]) = &at_bar.slopes {
            field.rhs_vjp(&output.x0, f0_bar, &mut ends);
        }
        for (end, &start) in ends.as_mut().iter_mut().zip(at_bar.x0.as_ref()) {
            *end += start;
        }
        bar.x = ends;
        time_bar
    }

    fn fly<F: FiringField<T>>(&self, field: &F, x: &F::State, time: T) -> Flight<T, F::State> {
        let (mut points, mut slopes, mut end) = ([*x; MAX_STAGES], [*x; MAX_STAGES], *x);
        self.tableau.step(time, &mut end, &mut points, &mut slopes, |_, x, f| *f = field.rhs(x));
        let slopes = (self.tableau.order() > 1).then(|| [slopes[0], field.rhs(&end)]);
        let output = Dense { x0: *x, x1: end, slopes };
        Flight { time, points, output }
    }

    fn flight_vjp<F: FiringFieldVjp<T>>(
        &self,
        field: &mut F,
        flight: &Flight<T, F::State>,
        x_bar: &mut F::State,
    ) -> T {
        self.runge_kutta_vjp(field, &flight.points, flight.time, false, x_bar)
    }

    /// The state after a `time` in which the first variable is held.
    fn hold<F: FiringField<T>>(&self, field: &F, x: &F::State, time: T) -> F::State {
        let mut end = *x;
        if x.as_ref().len() > 1 {
            let (mut points, mut slopes) = ([*x; MAX_STAGES], [*x; MAX_STAGES]);
            self.tableau.step(time, &mut end, &mut points, &mut slopes, |_, x, f| {
                *f = slope(field, x, true);
            });
        }
        end
    }

    fn hold_vjp<F: FiringFieldVjp<T>>(
        &self,
        field: &mut F,
        x: &F::State,
        time: T,
        x_bar: &mut F::State,
    ) -> T {
        if x.as_ref().len() == 1 {
            return T::zero();
        }
        let (mut points, mut slopes, mut end) = ([*x; MAX_STAGES], [*x; MAX_STAGES], *x);
        self.tableau.step(time, &mut end, &mut points, &mut slopes, |_, x, f| *f = slope(field, x, true));
        self.runge_kutta_vjp(field, &points, time, true, x_bar)
    }

    /// Turns `x_bar` of a step's end into that of its start and returns the cotangent of its length.
    fn runge_kutta_vjp<F: FiringFieldVjp<T>>(
        &self,
        field: &mut F,
        points: &[F::State; MAX_STAGES],
        time: T,
        held: bool,
        x_bar: &mut F::State,
    ) -> T {
        let (mut points_bar, mut slope_bar) = ([*x_bar; MAX_STAGES], *x_bar);
        let mut time_bar = T::zero();
        self.tableau.step_vjp(time, points, x_bar, &mut points_bar, &mut slope_bar, |_, x, f_bar, x_bar| {
            let mut f_bar = *f_bar;
            if held {
                f_bar.as_mut()[0] = T::zero();
            }
            // Slopes enter multiplied by the step's length, and it enters with them alone.
            for (&f, &f_bar) in slope(field, x, held).as_ref().iter().zip(f_bar.as_ref()) {
                time_bar += f * f_bar;
            }
            field.rhs_vjp(x, &f_bar, x_bar);
        });
        // A leg of no length is the end of a step on which a spike falls: there is no derivative to be lost.
        if time == T::zero() { T::zero() } else { time_bar / time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tableau;
    use num_dual::Dual64;
    use proptest::prelude::*;

    /// `dv/dt = v^2 + p0 - w`, `dw/dt = p1 (v - w)`; at `p2` `v -> p3`, `w -> w + p4 v_theta`, then `v` is held for `p5`.
    #[derive(Clone, Copy)]
    struct Bursting<T> {
        p: [T; 6],
        bar: [T; 6],
    }

    impl<T: RealField + Copy> FiringField<T> for Bursting<T> {
        type State = [T; 2];
        fn rhs(&self, &[v, w]: &[T; 2]) -> [T; 2] {
            [v * v + self.p[0] - w, self.p[1] * (v - w)]
        }
        fn threshold(&self) -> T {
            self.p[2]
        }
        fn jump(&self, &[v, w]: &[T; 2]) -> [T; 2] {
            [self.p[3], w + self.p[4] * v]
        }
        fn refractory(&self) -> T {
            self.p[5]
        }
    }

    impl<T: RealField + Copy> FiringFieldVjp<T> for Bursting<T> {
        fn rhs_vjp(&mut self, &[v, w]: &[T; 2], &[fv_bar, fw_bar]: &[T; 2], x_bar: &mut [T; 2]) {
            x_bar[0] += (v + v) * fv_bar + self.p[1] * fw_bar;
            x_bar[1] -= fv_bar + self.p[1] * fw_bar;
            self.bar[0] += fv_bar;
            self.bar[1] += (v - w) * fw_bar;
        }
        fn jump_vjp(&mut self, &[v, _]: &[T; 2], &[v_bar, w_bar]: &[T; 2], before_bar: &mut [T; 2]) {
            self.bar[3] += v_bar;
            self.bar[4] += v * w_bar;
            before_bar[0] += self.p[4] * w_bar;
            before_bar[1] += w_bar;
        }
        fn threshold_vjp(&mut self, threshold_bar: T) {
            self.bar[2] += threshold_bar;
        }
        fn refractory_vjp(&mut self, refractory_bar: T) {
            self.bar[5] += refractory_bar;
        }
    }

    fn end(tableau: Tableau, p: [f64; 6], steps: u32, time: f64) -> ([f64; 2], u32, Vec<f64>) {
        let field = Bursting { p, bar: [0.0; 6] };
        let step = ResetStep { tableau, h: time / f64::from(steps) };
        let (mut x, mut wait, mut spikes, mut times) = ([-0.5, 0.1], 0.0, 0, Vec::new());
        for n in 0..steps {
            step.spikes(&field, &x, wait, |t, _| times.push(f64::from(n) * step.h + t));
            spikes += step.step(&field, &mut x, &mut wait);
        }
        (x, spikes, times)
    }

    #[test]
    fn the_order_of_the_method_survives_spikes_up_to_that_of_the_dense_output() {
        let p = [1.5, 0.3, 2.0, -1.0, 0.2, 0.35];
        let time = 6.0;
        let (exact, spikes, times) = end(tableau::DORMAND_PRINCE5, p, 6000, time);
        assert!(spikes >= 3 && times.len() == spikes as usize);
        for method in tableau::ALL {
            let error = |steps| {
                let (x, count, at) = end(method, p, steps, time);
                assert_eq!(count, spikes, "{}", method.name());
                let late = at.iter().zip(&times).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                (f64::hypot(x[0] - exact[0], x[1] - exact[1]), late)
            };
            let (first, last) = (error(150), error(1200));
            let expected = f64::from(method.order().min(4));
            let order = |a: f64, b: f64| (a / b).log2() / 3.0;
            let (state, spike) = (order(first.0, last.0), order(first.1, last.1));
            assert!(state > expected - 0.35 && spike > expected - 0.35, "{}: {state} {spike}", method.name());
        }
    }

    /// `dv/dt = 5000`, reset from 1 to 0.
    struct Steady;

    impl FiringField<f64> for Steady {
        type State = [f64; 1];
        fn rhs(&self, _: &[f64; 1]) -> [f64; 1] {
            [5000.0]
        }
        fn threshold(&self) -> f64 {
            1.0
        }
        fn jump(&self, _: &[f64; 1]) -> [f64; 1] {
            [0.0]
        }
        fn refractory(&self) -> f64 {
            0.0
        }
    }

    #[test]
    fn too_many_spikes_are_no_number() {
        let after = |h| {
            let (mut x, mut wait) = ([0.5], 0.0);
            let spikes = ResetStep { tableau: tableau::EULER, h }.step(&Steady, &mut x, &mut wait);
            (x[0], spikes)
        };
        let (v, spikes) = after(0.15);
        assert!((v - 0.5).abs() < 1e-9 && spikes == 750, "{v} {spikes}");
        let (v, spikes) = after(0.25);
        assert!(v.is_nan() && spikes == MAX_SPIKES, "{v} {spikes}");
    }

    proptest! {
        #[test]
        fn reset_step_transpose_equals_dual_numbers(
            noise in prop::array::uniform6(-1.0..1.0_f64), v in -1.5..1.8_f64, w in -1.0..1.0_f64,
            wait in prop_oneof![Just(0.0), 0.01..1.5_f64], h in 0.05..1.5_f64, bar in prop::array::uniform3(-1.0..1.0_f64),
            method in 0..tableau::ALL.len(),
        ) {
            let p = [2.0 + 2.0 * noise[0], 0.5 + 0.4 * noise[1], 2.0 + 0.1 * noise[2], -1.0 + 0.3 * noise[3],
                0.2 * noise[4], 0.2 + 0.15 * noise[5]];
            let tableau = tableau::ALL[method];
            let mut field = Bursting { p, bar: [0.0; 6] };
            let (mut x_bar, mut wait_bar) = ([bar[0], bar[1]], bar[2]);
            ResetStep { tableau, h }.step_vjp(&mut field, &[v, w], wait, &mut x_bar, &mut wait_bar);
            let by = |i: usize| {
                let seed = |x: f64, j: usize| Dual64::new(x, f64::from(i == j));
                let field = Bursting { p: std::array::from_fn(|j| seed(p[j], j + 3)), bar: [Dual64::from(0.0); 6] };
                let (mut x, mut left) = ([seed(v, 0), seed(w, 1)], seed(wait, 2));
                ResetStep { tableau, h: Dual64::from(h) }.step(&field, &mut x, &mut left);
                x[0].eps * bar[0] + x[1].eps * bar[1] + left.eps * bar[2]
            };
            let all = [x_bar[0], x_bar[1], wait_bar].into_iter().chain(field.bar);
            for (i, bar) in all.enumerate().filter(|(i, _)| *i != 2 || wait > 0.0) {
                let oracle = by(i);
                prop_assert!((bar - oracle).abs() <= 1e-10 * (1.0 + oracle.abs()), "{i}: {bar} {oracle}");
            }
        }
    }
}
