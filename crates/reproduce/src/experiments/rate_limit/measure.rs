//! What is measured of the limit of high rates: a network at every width of the gate and with ever smaller spikes, beside the rate
//! network with the same weights.

use cpu_time::ThreadTime;
use spikegrad::adjoint::Sweep;
use spikegrad::integrators::EventCounts;
use spikegrad::network::{Group, Loss, Network, SplitStep, Trial};
use spikegrad::tasks::predictive_coding::PredictiveCoding;
use spikegrad::tasks::{Purpose, QuadraticLoss, Task};

use crate::Error;
use crate::baselines::limits::{LimitNetwork, Unit};
use crate::experiments::dial::{
    Answer, Cell, GROUPS, LAMBDA, NEURONS, by_large_spikes, gradients, outputs, ranges, trials, with_cell,
    with_small_spikes,
};
use crate::experiments::intervals::worse;
use crate::experiments::statistics::{Sample, distance, norm, square};

/// Steps of the central differences, as a part of the norm of the parameters of a group or of 1, whichever is more: the first between
/// whose ends no unit opens or closes, since a gradient says nothing of what lies beyond a kink.
const DIFFERENCES: [f64; 5] = [1e-6, 1e-7, 1e-8, 1e-9, 1e-10];

/// How far the dial at 1 is from the rate network that is written down beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Equality {
    /// The largest difference of two outputs over the largest output.
    pub(super) output: f64,
    /// The largest difference of two gradients over the norm of the gradient, over groups and trials.
    pub(super) gradient: f64,
    /// The gradient of the rate network against central differences along it.
    pub(super) differences: f64,
    /// The least and the largest current of all trials.
    pub(super) currents: [f64; 2],
}

/// All that is measured of the networks of one seed.
pub(super) struct OfSeed {
    pub(super) seed: u64,
    /// The dial at 1 beside the rate network: with the weights at the start, and with those of the trained rate network.
    pub(super) equality: [Equality; 2],
    /// Networks by the width of the gate: with the weights at the start, and with those of the trained rate network.
    pub(super) widths: [Vec<(f64, Beside)>; 2],
    /// Networks by the number of small spikes in the place of one, with currents that are all positive.
    pub(super) positive: Vec<(f64, Beside)>,
    /// The least and the largest of these currents.
    pub(super) positive_currents: [f64; 2],
    /// The same with the weights of the trained rate network and currents of both signs.
    pub(super) mixed: Vec<(f64, Beside)>,
    /// The paper's neuron.
    pub(super) paper: Vec<PaperLimit>,
    /// Normalised errors on held-out signals: a row for each network that was trained, a column for what the weights are run in.
    pub(super) conversion: Vec<Vec<f64>>,
}

/// Compares [`Cell::Dial`] at 1 with threshold-linear units that share no code with it.
pub(super) fn equality(
    task: &PredictiveCoding,
    network: &Network<f64>,
    given: &[Trial<f64>],
) -> Result<Equality, Error> {
    let network = with_cell(task, network, Cell::Dial(1.0))?;
    let limit = LimitNetwork::of(&network, Unit::ThresholdLinear);
    let ours = gradients(&network, task.h, task.loss(), given, false)?;
    let ours_out = outputs(&network, task.h, task.loss(), given)?;
    let mut found = Equality {
        output: 0.0,
        gradient: 0.0,
        differences: 0.0,
        currents: [f64::INFINITY, f64::NEG_INFINITY],
    };
    for ((trial, answer), output) in given.iter().zip(&ours).zip(&ours_out) {
        let run = limit.run(trial, LAMBDA);
        let size = run.output.iter().fold(0.0_f64, |most, o| most.max(o.abs()));
        for (a, b) in output.iter().zip(&run.output) {
            found.output = worse(found.output, (a - b).abs() / size);
        }
        found.currents = [found.currents[0].min(run.currents[1]), found.currents[1].max(run.currents[0])];
        let Some((_, bars)) = limit.gradient(trial, LAMBDA) else {
            // What was not compared agrees with nothing.
            found.gradient = f64::INFINITY;
            continue;
        };
        let of_groups: Vec<_> = limit.groups().into_iter().zip(bars).collect();
        for ((group, _), range) in GROUPS.into_iter().zip(ranges(&network)) {
            let Some((_, bar)) = of_groups.iter().find(|(other, _)| *other == group) else {
                found.gradient = f64::INFINITY;
                continue;
            };
            // Autapses do not exist, and have no gradient in the network.
            let mut bar = bar.clone();
            if let Group::Weight(_) = group {
                (0..NEURONS).for_each(|i| bar[i * (NEURONS + 1)] = 0.0);
            }
            found.gradient = worse(found.gradient, distance(&answer.gradient[range], &bar) / norm(&bar));
            let moved = |by: f64| {
                let mut moved = limit.clone();
                let values = moved.group_mut(group);
                values.iter_mut().zip(&bar).for_each(|(v, b)| *v += by * b / norm(&bar));
                moved.run(trial, LAMBDA)
            };
            let size = norm(limit.clone().group_mut(group)).max(1.0);
            let slope = DIFFERENCES.iter().find_map(|part| {
                let e = part * size;
                let (high, low) = (moved(e), moved(-e));
                high.is_on_the_piece_of(&low).then(|| (high.cost - low.cost) / (2.0 * e))
            });
            // Where there is a kink at any step nothing is known, which no band lets pass.
            let error = slope.map_or(f64::INFINITY, |slope| (slope / norm(&bar) - 1.0).abs());
            found.differences = worse(found.differences, error);
        }
    }
    Ok(found)
}

/// A network beside the rate network with the same weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside {
    /// The root of the squared difference of the outputs over the power of the rate network's outputs.
    pub(super) output: f64,
    /// The root mean square of the relative difference of the costs.
    pub(super) cost: f64,
    /// The root mean square of the gradient's distance from that of the rate network, over the norm of the latter, for each group.
    pub(super) gradient: [f64; GROUPS.len()],
    /// The part of this that is left of the mean over initial phases, unbiased.
    pub(super) bias: [f64; GROUPS.len()],
    /// The part that scatters over initial phases.
    pub(super) scatter: [f64; GROUPS.len()],
    /// Spikes per second and neuron.
    pub(super) rate: f64,
    /// Share of crossings of the zone in fewer than three steps.
    pub(super) short: f64,
    /// CPU time of one gradient, ms.
    pub(super) ms: f64,
}

/// Signals, each with several initial phases one after the other.
pub(super) struct Signals<'a> {
    pub(super) trials: &'a [Trial<f64>],
    pub(super) phases: usize,
}

/// What the rate network says on the first phase of every signal.
pub(super) struct Reference {
    answers: Vec<Answer>,
    outputs: Vec<Vec<f64>>,
}

impl Signals<'_> {
    fn firsts(&self) -> Vec<Trial<f64>> {
        self.trials.iter().step_by(self.phases).cloned().collect()
    }

    /// Runs the rate network with a step of `h`.
    pub(super) fn reference(
        &self,
        task: &PredictiveCoding,
        network: &Network<f64>,
        h: f64,
    ) -> Result<Reference, Error> {
        let network = with_cell(task, network, Cell::Dial(1.0))?;
        let loss = QuadraticLoss { lambda: LAMBDA };
        let firsts = self.firsts();
        Ok(Reference {
            answers: gradients(&network, h, &loss, &firsts, false)?,
            outputs: outputs(&network, h, &loss, &firsts)?,
        })
    }

    /// Compares a network whose spikes are `1 / k` with the rate network.
    pub(super) fn compare(
        &self,
        network: &Network<f64>,
        h: f64,
        k: f64,
        reference: &Reference,
    ) -> Result<Beside, Error> {
        let scaled = with_small_spikes(network, k);
        let loss = QuadraticLoss { lambda: LAMBDA / (k * k) };
        let mut answers = gradients(&scaled, h, &loss, self.trials, true)?;
        answers.iter_mut().for_each(|answer| by_large_spikes(&mut answer.gradient, network, k));
        let firsts = self.firsts();
        let found = outputs(&scaled, h, &loss, &firsts)?;
        let (mut error, mut power) = (0.0, 0.0);
        for (ours, theirs) in found.iter().zip(&reference.outputs) {
            error += distance(ours, theirs).powi(2);
            power += square(theirs);
        }
        let of_signal = || answers.chunks_exact(self.phases).zip(&reference.answers);
        let mean = |sum: f64, count: usize| sum / count as f64;
        let costs =
            of_signal().flat_map(|(all, to)| all.iter().map(|one| (one.cost / to.cost - 1.0).powi(2)));
        let (mut gradient, mut bias, mut scatter) = ([0.0; 4], [0.0; 4], [0.0; 4]);
        for (g, range) in ranges(network).into_iter().enumerate() {
            let (mut all, mut of_mean, mut around) = (0.0, 0.0, 0.0);
            for (answers, to) in of_signal() {
                let to = &to.gradient[range.clone()];
                let rows = || answers.iter().map(|answer| &answer.gradient[range.clone()]);
                let size = square(to);
                all += rows().map(|row| distance(row, to).powi(2)).sum::<f64>() / self.phases as f64 / size;
                let sample = Sample::new(rows());
                let variance = if self.phases > 1 { sample.noise().variance } else { f64::NAN };
                of_mean += (distance(&sample.mean(), to).powi(2) - variance / self.phases as f64) / size;
                around += variance / size;
            }
            let signals = reference.answers.len();
            gradient[g] = mean(all, signals).sqrt();
            bias[g] = mean(of_mean, signals).max(0.0).sqrt();
            // The width of the cycle has none, but for rounding, which may be negative.
            scatter[g] = mean(around, signals).max(0.0).sqrt();
        }
        let events: EventCounts = answers.iter().map(|answer| answer.events).sum();
        let seconds: f64 = self.trials.iter().map(|trial| trial.duration() * 1e-3).sum();
        Ok(Beside {
            output: (error / power).sqrt(),
            cost: mean(costs.sum(), answers.len()).sqrt(),
            gradient,
            bias,
            scatter,
            rate: events.spikes as f64 / (seconds * NEURONS as f64),
            short: events.short_crossing_share(),
            ms: f64::NAN,
        })
    }
}

/// CPU time of one gradient, ms: the least mean of some rounds, since other programs only add to it.
pub(super) fn time(
    network: &Network<f64>,
    h: f64,
    loss: &dyn Loss<f64>,
    given: &[Trial<f64>],
) -> Result<f64, Error> {
    let scheme = SplitStep::new(network, h).map_err(Error::experiment)?;
    let (mut sweep, mut bar, mut least) = (Sweep::new(), network.parameters.zeros_like(), f64::INFINITY);
    for _ in 0..3 {
        let start = ThreadTime::now();
        for trial in given {
            let run = scheme.run(trial, loss).map_err(Error::experiment)?;
            sweep.gradient(&run, bar.values_mut()).map_err(Error::experiment)?;
        }
        least = least.min(start.elapsed().as_secs_f64() * 1e3 / given.len() as f64);
    }
    Ok(least)
}

/// How far the output of the paper's neuron with small spikes is from both limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct PaperLimit {
    pub(super) k: f64,
    /// The distance from threshold-linear units, over their power.
    pub(super) threshold_linear: f64,
    /// The distance from running maxima of the integrated current, over their power.
    pub(super) running_maximum: f64,
    /// The distance of the rectified neuron of the same width from threshold-linear units.
    pub(super) rectified: f64,
}

/// Compares the paper's neuron, its charges divided by `k`, with what it may become. Trials have samples of `h`.
pub(super) fn paper_limit(
    task: &PredictiveCoding,
    network: &Network<f64>,
    (width, k): (f64, f64),
    given: &[Trial<f64>],
) -> Result<PaperLimit, Error> {
    let loss = QuadraticLoss { lambda: 0.0 };
    // Small spikes need short steps, for the charge of each to come in its time. The limit takes the same ones.
    let parts = (k / 8.0).ceil().max(1.0) as usize;
    let given: Vec<_> = given.iter().map(|trial| refined(trial, parts)).collect();
    let run = |cell| -> Result<_, Error> {
        let network = with_small_spikes(&with_cell(task, network, cell)?, k);
        outputs(&network, task.h / parts as f64, &loss, &given)
    };
    let limit = |unit| -> Vec<Vec<f64>> {
        let network = LimitNetwork::of(network, unit);
        given.iter().map(|trial| network.run(trial, 0.0).output).collect()
    };
    let apart = |ours: &[Vec<f64>], theirs: &[Vec<f64>]| {
        let error: f64 = ours.iter().zip(theirs).map(|(a, b)| distance(a, b).powi(2)).sum();
        (error / theirs.iter().map(|b| square(b)).sum::<f64>()).sqrt()
    };
    let (paper, rectified) = (run(Cell::Paper(width))?, run(Cell::Dial(width))?);
    let [linear, maximum] = [Unit::ThresholdLinear, Unit::RunningMaximum].map(limit);
    Ok(PaperLimit {
        k,
        threshold_linear: apart(&paper, &linear),
        running_maximum: apart(&paper, &maximum),
        rectified: apart(&rectified, &linear),
    })
}

/// The same trial with every sample in `parts` equal ones.
fn refined(trial: &Trial<f64>, parts: usize) -> Trial<f64> {
    let repeat = |values: &[f64]| -> Vec<f64> {
        let width = values.len() / trial.samples;
        values.chunks_exact(width.max(1)).flat_map(|sample| sample.repeat(parts)).collect()
    };
    Trial {
        interval: trial.interval / parts as f64,
        samples: trial.samples * parts,
        inputs: repeat(&trial.inputs),
        targets: repeat(&trial.targets),
        ..trial.clone()
    }
}

/// The network whose tonic currents are so large that every current is positive, whatever the signal: `room` times the largest input
/// current of these trials.
pub(super) fn with_positive_currents(
    network: &Network<f64>,
    given: &[Trial<f64>],
    room: f64,
) -> Network<f64> {
    let mut network = network.clone();
    let inputs = network.inputs();
    let u = network.parameters.input().into_owned();
    let most = |neuron: usize| {
        let drives = given.iter().flat_map(|trial| trial.inputs.chunks_exact(inputs));
        drives
            .map(|i| i.iter().zip(u.row(neuron).iter()).map(|(i, u)| i * u).sum::<f64>().abs())
            .fold(0.0, f64::max)
    };
    let tonic: Vec<f64> = (0..NEURONS).map(|neuron| room * most(neuron)).collect();
    network.parameters.bias_mut().copy_from_slice(&tonic);
    network
}

/// The least and the largest current of threshold-linear units with these weights.
pub(super) fn currents(network: &Network<f64>, given: &[Trial<f64>]) -> [f64; 2] {
    let limit = LimitNetwork::of(network, Unit::ThresholdLinear);
    given
        .iter()
        .map(|trial| limit.run(trial, 0.0).currents)
        .fold([f64::INFINITY, f64::NEG_INFINITY], |[least, most], [high, low]| {
            [least.min(low), most.max(high)]
        })
}

/// Signals for measurements, with `phases` initial voltages each.
pub(super) fn signals(
    task: &PredictiveCoding,
    duration: f64,
    seed: u64,
    (count, phases): (usize, usize),
) -> Result<Vec<Trial<f64>>, Error> {
    trials(task, duration, (seed, Purpose::Test), count, phases)
}
