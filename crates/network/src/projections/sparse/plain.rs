//! Loops over columns that any scalar can do.

use super::visits::{BlockBackward, Bursts, Columns, ColumnsBackward, ColumnsForward};
use crate::Scalar;
use crate::kernels::{axpy, dot, scale};

/// Loops that any scalar can do.
#[derive(Debug)]
pub(super) struct Plain;

impl<T: Scalar> Columns<T> for Plain {
    fn forward(&self, step: ColumnsForward<'_, T>) {
        let ColumnsForward { s, j, reading, .. } = step;
        for projection in step.projections {
            let (s, j) = (projection.traces_mut(s, step.size), projection.currents_mut(j, step.size));
            let w = &step.parameters[projection.weights..];
            scale(s, projection.keep);
            scale(j, projection.keep);
            // A charge that is zero by chance still has a derivative, which dual numbers carry.
            for (&column, &charge) in step.neurons.iter().zip(step.charges) {
                s[column as usize] += projection.gain * charge;
                axpy(j, projection.gain * charge, &w[column as usize * step.size..][..step.size]);
            }
        }
        if let Some(reading) = reading {
            let s = &s[..step.size];
            reading.kept.copy_from_slice(s);
            *reading.sums = [dot(reading.o, s), dot(s, s)];
        }
    }

    fn backward(&self, step: ColumnsBackward<'_, T>) {
        let ColumnsBackward { charge_bar, gain_bar, parameters_bar, .. } = step;
        charge_bar.fill(T::zero());
        for projection in step.projections {
            let s_bar = projection.traces(step.s_bar, step.size);
            let j_bar = projection.currents(step.j_bar, step.size);
            let mut by_gain = T::zero();
            let charges = step.neurons.iter().zip(step.charges);
            for ((&column, &charge), charge_bar) in charges.zip(&mut *charge_bar) {
                let start = projection.weights + column as usize * step.size;
                let worth = s_bar[column as usize] + dot(&step.parameters[start..][..step.size], j_bar);
                *charge_bar += projection.gain * worth;
                by_gain += charge * worth;
                if projection.writes {
                    axpy(&mut parameters_bar[start..][..step.size], projection.gain * charge, j_bar);
                }
            }
            gain_bar[projection.number] = by_gain;
        }
    }

    fn block_backward(&self, block: BlockBackward<'_, T>) -> T {
        let BlockBackward { gain, w, s_bar, j_bar, mut w_bar, neurons, charges, charge_bar } = block;
        let (size, mut by_gain) = (j_bar.len(), T::zero());
        for ((&column, &charge), charge_bar) in neurons.iter().zip(charges).zip(charge_bar) {
            let start = column as usize * size;
            let worth = s_bar[column as usize] + dot(&w[start..][..size], j_bar);
            *charge_bar = gain * worth;
            by_gain += charge * worth;
            if let Some(w_bar) = &mut w_bar {
                axpy(&mut w_bar[start..][..size], gain * charge, j_bar);
            }
        }
        by_gain
    }

    fn add_outer(&self, n: usize, rows: &[T], gain: T, bursts: Bursts<'_, T>, w_bar: &mut [T]) {
        for (neuron, steps, charges) in bursts.parts() {
            for (&step, &charge) in steps.iter().zip(charges) {
                axpy(&mut w_bar[neuron * n..][..n], gain * charge, &rows[step as usize * n..][..n]);
            }
        }
    }
}
