//! The same gradient by dense products: every weight is visited in every step. Written in the plainest form that does
//! not waste anything: a batch is a matrix with a column for each trial, so that its products are matrix times matrix
//! where the batch has more than a few trials, and elementwise loops are compiled for the machine's widest vectors.
//!
//! It knows theta neurons and nothing else, and is here for the crossover: equations (17)-(25) with all columns.

use spikegrad::models::math::{floor, half_angle};
use spikegrad::models::{Gate, GateShape};
use spikegrad::nalgebra::{DMatrix, RealField};
use spikegrad::network::Group;
use spikegrad::network::Scalar;

use crate::problem::{LAMBDA, Problem, TAU, TAU_FAST, TAU_V, WIDTH};

/// A gradient of a problem, mean over its trials.
#[derive(Clone, Debug)]
pub struct Gradient<T> {
    /// By `W` and `W_f`.
    pub recurrent: [DMatrix<T>; 2],
    /// By `U`.
    pub input: DMatrix<T>,
    /// By the tonic current.
    pub bias: DMatrix<T>,
    /// By `O`.
    pub readout: DMatrix<T>,
}

/// A problem with the memory for its dense gradient.
#[derive(Clone, Debug)]
pub struct Dense<T> {
    steps: usize,
    weights: [DMatrix<T>; 2],
    transposed: [DMatrix<T>; 2],
    input: DMatrix<T>,
    bias: Vec<T>,
    readout: DMatrix<T>,
    start: DMatrix<T>,
    /// Of each step, `inputs x B` and `B`.
    inputs: Vec<DMatrix<T>>,
    targets: Vec<DMatrix<T>>,
    tape: Vec<Kept<T>>,
    /// The gradient of the last call of [`gradient`](Self::gradient).
    pub gradient: Gradient<T>,
}

/// What a step keeps for its transpose, `N x B` each.
#[derive(Clone, Debug)]
struct Kept<T> {
    before: DMatrix<T>,
    after: DMatrix<T>,
    current: DMatrix<T>,
    charge: DMatrix<T>,
    s: DMatrix<T>,
}

fn real<T: RealField>(x: f64) -> T {
    T::from_subset(&x)
}

fn decays<T: RealField>() -> [(T, T); 2] {
    [TAU, TAU_FAST].map(|tau| {
        let a = (-1.0 / tau).exp();
        (real(a), real(1.0 - a))
    })
}

fn gate<T: RealField>() -> Gate<T> {
    Gate { shape: GateShape::RaisedCosine, width: real(WIDTH), threshold: T::one() }
}

impl<T: Scalar> Dense<T> {
    /// The dense program of a problem.
    pub fn new(problem: &Problem<T>) -> Self {
        let (network, trials) = (&problem.network, &problem.trials);
        let parameters = &network.parameters;
        let (n, batch) = (network.neurons(), trials.len());
        let steps = trials.first().map_or(0, |t| t.samples);
        let weights = [0, 1].map(|k| parameters.weight(k).into_owned());
        let zeros = || DMatrix::zeros(n, batch);
        let kept = || Kept { before: zeros(), after: zeros(), current: zeros(), charge: zeros(), s: zeros() };
        let initial =
            |i: usize, b: usize| trials[b].initial.as_ref().map_or(T::zero(), |initial| initial.x[i]);
        Self {
            steps,
            transposed: [weights[0].transpose(), weights[1].transpose()],
            input: parameters.input().into_owned(),
            bias: parameters.group(Group::Bias).to_vec(),
            readout: parameters.readout(0).into_owned(),
            start: DMatrix::from_fn(n, batch, initial),
            inputs: (0..steps)
                .map(|m| DMatrix::from_fn(2, batch, |p, b| trials[b].inputs[2 * m + p]))
                .collect(),
            targets: (0..steps).map(|m| DMatrix::from_fn(1, batch, |_, b| trials[b].targets[m])).collect(),
            tape: vec![kept(); steps],
            gradient: Gradient {
                recurrent: [DMatrix::zeros(n, n), DMatrix::zeros(n, n)],
                input: DMatrix::zeros(n, 2),
                bias: DMatrix::zeros(n, 1),
                readout: DMatrix::zeros(1, n),
            },
            weights,
        }
    }

    /// Runs forwards and backwards, writes the gradient and returns the cost.
    pub fn gradient(&mut self) -> T {
        let (n, batch) = self.start.shape();
        let zeros = || DMatrix::<T>::zeros(n, batch);
        let one = T::one();
        let decays = decays::<T>();
        let mut cost = T::zero();
        let (mut v, mut s, mut j) = (self.start.clone(), [zeros(), zeros()], [zeros(), zeros()]);
        for m in 0..self.steps {
            let kept = &mut self.tape[m];
            for mut column in kept.current.column_iter_mut() {
                column.copy_from_slice(&self.bias);
            }
            kept.current.gemm(one, &self.input, &self.inputs[m], one);
            kept.current += &j[0];
            kept.current += &j[1];
            kept.before.copy_from(&v);
            flow(
                kept.current.as_slice(),
                kept.before.as_slice(),
                v.as_mut_slice(),
                kept.charge.as_mut_slice(),
            );
            kept.after.copy_from(&v);
            for k in 0..2 {
                let (a, b) = decays[k];
                s[k].zip_apply(&kept.charge, |s, q| *s = a * *s + b * q);
                j[k].gemm(b, &self.weights[k], &kept.charge, a);
            }
            kept.s.copy_from(&s[0]);
            let output = &self.readout * &s[0];
            cost += (output - &self.targets[m]).norm_squared() + real::<T>(LAMBDA) * s[0].norm_squared();
        }

        let weight = one / real(batch as f64);
        let gradient = &mut self.gradient;
        gradient.recurrent.iter_mut().for_each(|w| w.fill(T::zero()));
        gradient.input.fill(T::zero());
        gradient.bias.fill(T::zero());
        gradient.readout.fill(T::zero());
        let (mut v_bar, mut s_bar, mut j_bar) = (zeros(), [zeros(), zeros()], [zeros(), zeros()]);
        let (mut charge_bar, mut current_bar) = (zeros(), zeros());
        let ones = DMatrix::repeat(batch, 1, one);
        for m in (0..self.steps).rev() {
            let kept = &self.tape[m];
            let output_bar = (&self.readout * &kept.s - &self.targets[m]) * weight;
            gradient.readout.gemm(one, &output_bar, &kept.s.transpose(), one);
            s_bar[0].gemm(one, &self.readout.transpose(), &output_bar, one);
            s_bar[0].zip_apply(&kept.s, |bar, s| *bar += weight * real::<T>(LAMBDA) * s);
            charge_bar.fill(T::zero());
            let charge = kept.charge.transpose();
            for k in 0..2 {
                let (_, b) = decays[k];
                charge_bar.zip_apply(&s_bar[k], |q, s| *q += b * s);
                charge_bar.gemm(b, &self.transposed[k], &j_bar[k], one);
                gradient.recurrent[k].gemm(b, &j_bar[k], &charge, one);
            }
            flow_vjp(kept, charge_bar.as_slice(), v_bar.as_mut_slice(), current_bar.as_mut_slice());
            for k in 0..2 {
                let (a, _) = decays[k];
                s_bar[k] *= a;
                j_bar[k].zip_apply(&current_bar, |j, i| *j = a * *j + i);
            }
            gradient.input.gemm(one, &current_bar, &self.inputs[m].transpose(), one);
            gradient.bias.gemm(one, &current_bar, &ones, one);
        }
        cost * real(0.5) * weight
    }
}

/// Equation (18) for all neurons and trials.
fn flow<T: Scalar>(current: &[T], before: &[T], v: &mut [T], charge: &mut [T]) {
    let (gate, rate) = (gate::<T>(), T::one() / real(TAU_V));
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for (((v, &before), &current), q) in v.iter_mut().zip(before).zip(current).zip(charge) {
                let (s, _) = half_angle(before);
                let end = before + (rate + rate + s * s * (current - rate));
                let whole = floor(end);
                *v = end - whole;
                *q = whole + gate.shape.charge(gate.position(*v)) - gate.shape.charge(gate.position(before));
            }
        },
    );
}

/// Equation (24): turns `v_bar` of the end into that of the start and writes `current_bar`.
fn flow_vjp<T: Scalar>(kept: &Kept<T>, charge_bar: &[T], v_bar: &mut [T], current_bar: &mut [T]) {
    let (gate, rate) = (gate::<T>(), T::one() / real(TAU_V));
    let (before, after) = (kept.before.as_slice(), kept.after.as_slice());
    let current = kept.current.as_slice();
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for i in 0..v_bar.len() {
                let end = v_bar[i] + gate.density(after[i]) * charge_bar[i];
                let (s, c) = half_angle(before[i]);
                current_bar[i] = s * s * end;
                v_bar[i] = end + T::two_pi() * (s * c) * (current[i] - rate) * end
                    - gate.density(before[i]) * charge_bar[i];
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use spikegrad::tasks::Batch;

    use super::*;
    use crate::problem::Size;

    #[test]
    fn dense_and_sparse_are_the_same_gradient() {
        for batch in [1, 9] {
            let problem = Problem::random(Size { neurons: 50, batch, steps: 150, rate: 20.0 }, 3).unwrap();
            let scheme = problem.scheme().unwrap();
            let mut sparse = problem.network.parameters.zeros_like();
            let result = Batch::default()
                .gradient(&scheme, &problem.trials, &problem.loss(), None, &mut sparse)
                .unwrap();
            let mut dense = Dense::new(&problem);
            let cost = dense.gradient();
            assert!((cost / result.cost - 1.0).abs() < 1e-11, "{cost} {}", result.cost);
            let all = [
                (Group::Weight(0), &dense.gradient.recurrent[0]),
                (Group::Weight(1), &dense.gradient.recurrent[1]),
                (Group::Input, &dense.gradient.input),
                (Group::Bias, &dense.gradient.bias),
                (Group::Readout(0), &dense.gradient.readout),
            ];
            for (group, found) in all {
                let expected = sparse.group(group);
                let norm = sparse.norm(group);
                let error =
                    expected.iter().zip(found.iter()).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
                assert!(norm > 0.0 && error < 1e-9 * norm, "{group}: {error} of {norm}");
            }
        }
    }
}
