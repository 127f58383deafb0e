//! Timings: the least of several rounds, the cases of a comparison in turn within each round, so that a disturbance of the
//! machine falls on all of them, and quotients of neighbours in a round. What runs on one thread is timed by that thread's
//! processor time, which other programs add nothing to but what they do to the caches.

use std::time::Instant;

use cpu_time::{ProcessTime, ThreadTime};
use spikegrad::adjoint::Sweep;
use spikegrad::integrators::Step;
use spikegrad::network::{Parameters, Scalar, WorkCounters};
use spikegrad::tasks::Batch;
use spikegrad_benches::Problem;

use crate::Error;

/// Seconds of processor time that this thread spends on `work`.
pub(super) fn processor(work: impl FnOnce() -> Result<(), Error>) -> Result<f64, Error> {
    let start = ThreadTime::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds that pass during `work`, on however many threads, and the processor seconds of all of them.
pub(super) fn wall(work: impl FnOnce() -> Result<(), Error>) -> Result<[f64; 2], Error> {
    let (start, processor) = (Instant::now(), ProcessTime::now());
    work()?;
    Ok([start.elapsed().as_secs_f64(), processor.elapsed().as_secs_f64()])
}

/// The numbers of each case in every round.
pub(super) fn interleaved<C, const M: usize>(
    rounds: usize,
    cases: &mut [C],
    mut seconds: impl FnMut(&mut C) -> Result<[f64; M], Error>,
) -> Result<Vec<Vec<[f64; M]>>, Error> {
    let mut found = vec![Vec::with_capacity(rounds); cases.len()];
    for _ in 0..rounds {
        for (found, case) in found.iter_mut().zip(cases.iter_mut()) {
            found.push(seconds(case)?);
        }
    }
    Ok(found)
}

/// The least of some numbers of which there are several in each round.
pub(super) fn least<const M: usize>(rounds: &[[f64; M]]) -> [f64; M] {
    rounds.iter().fold([f64::INFINITY; M], |least, round| std::array::from_fn(|m| least[m].min(round[m])))
}

/// The median over the rounds of the quotients of two cases that follow one another: of a machine whose cores are lent to other
/// programs now and then, the least times of the two need not be of the same state.
pub(super) fn quotient<const M: usize>(a: &[[f64; M]], b: &[[f64; M]]) -> [f64; M] {
    std::array::from_fn(|m| {
        let mut quotients: Vec<f64> = a.iter().zip(b).map(|(a, b)| a[m] / b[m]).collect();
        quotients.sort_by(f64::total_cmp);
        quotients[quotients.len() / 2]
    })
}

/// Seconds of the gradient of a problem's first trial, and nothing but it; the second run, when all memory is there.
pub(super) fn trial<T: Scalar>(problem: &Problem<T>, rounds: usize) -> Result<f64, Error> {
    let (scheme, loss) = (problem.scheme().map_err(Error::experiment)?, problem.loss());
    let run = scheme.run(&problem.trials[0], &loss).map_err(Error::experiment)?;
    let mut sweep = Sweep::new();
    let mut gradient = problem.network.parameters.zeros_like();
    let mut least = f64::INFINITY;
    for round in 0..=rounds {
        gradient.values_mut().fill(T::zero());
        let seconds =
            processor(|| sweep.gradient(&run, gradient.values_mut()).map(|_| ()).map_err(Error::experiment))?;
        if round > 0 {
            least = least.min(seconds);
        }
    }
    Ok(least)
}

/// The gradient of a problem's whole batch in the current thread pool, by sparse columns or on the dense path.
pub(super) fn batch<T: Scalar>(
    problem: &Problem<T>,
    dense: bool,
    work: &mut Batch<T>,
    gradient: &mut Parameters<T>,
) -> Result<(), Error> {
    let scheme = problem.scheme().map_err(Error::experiment)?;
    let scheme = if dense { scheme.dense() } else { scheme };
    let result = work.gradient(&scheme, &problem.trials, &problem.loss(), None, gradient);
    result.map(|_| ()).map_err(Error::experiment)
}

/// The work of a problem's first trial, and its spikes per neuron and second.
pub(super) fn counted<T: Scalar>(problem: &Problem<T>) -> Result<(WorkCounters, f64), Error> {
    let (scheme, loss) = (problem.scheme().map_err(Error::experiment)?, problem.loss());
    let run = scheme.run(&problem.trials[0], &loss).map_err(Error::experiment)?;
    let mut spikes = 0;
    run.watch(|_, _, tape| run.last_spikes(tape, |_, count| spikes += count)).map_err(Error::experiment)?;
    let neuron_seconds = (problem.network.neurons() * run.steps()) as f64 * 1e-3;
    Ok((run.work().map_err(Error::experiment)?, spikes as f64 / neuron_seconds))
}
