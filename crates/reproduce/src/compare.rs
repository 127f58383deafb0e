//! Comparison of a network problem stored as `.npz` with this library: cost, gradients, speed.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use cpu_time::ProcessTime;
use serde_json::{Map, Value, json};
use spikegrad::integrators::{Divergence, Step, norm};
use spikegrad::models::{Gate, GateShape};
use spikegrad::network::{Group, Network, Scalar, SplitStep, SplitTape, Trial};
use spikegrad::tasks::{Batch, QuadraticLoss};

use crate::problem::{GROUPS, H, LAMBDA, Problem};
use crate::{Error, pool};

/// The floating-point type to compute in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Dtype {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// The arguments of `compare`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The problem: weights, input, cost and gradients in NumPy's zipped format
    #[arg(value_name = "PROBLEM.npz")]
    pub problem: PathBuf,
    /// Floating-point type
    #[arg(long, value_enum, default_value_t = Dtype::F64)]
    pub dtype: Dtype,
    /// Worker threads [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// How often to time forward + backward
    #[arg(long, value_name = "K", default_value = "5")]
    pub repeat: NonZeroUsize,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub json: bool,
}

/// What a comparison found.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The cost.
    pub cost: f64,
    /// Upward crossings per neuron and second.
    pub rate_hz: f64,
    /// Median seconds of forward + backward.
    pub seconds_median: f64,
    /// Least seconds of forward + backward.
    pub seconds_min: f64,
    /// Median of the processor seconds of forward + backward, of all threads.
    pub processor_median: f64,
    /// Norm of each gradient, by array name.
    pub grad_norms: Vec<(&'static str, f64)>,
    /// Relative difference to what the problem stores: cost, `v_final`, gradients; `None` where it stores nothing.
    pub relative_difference: Vec<(&'static str, Option<f64>)>,
}

/// Loads the problem, computes its cost and gradients and prints how they compare.
///
/// # Errors
///
/// If the problem cannot be read or computed.
pub fn run(args: &Args) -> Result<(), Error> {
    let problem = Problem::load(&args.problem).map_err(Error::experiment)?;
    let threads = pool::threads(args.threads);
    let pool = pool::pool(threads)?;
    let repeat = args.repeat.get();
    let found = pool.install(|| match args.dtype {
        Dtype::F64 => compare(&problem, &problem.network, &problem.trials, repeat),
        Dtype::F32 => {
            let trials: Vec<_> = problem.trials.iter().map(|t| t.map(|x| x as f32)).collect();
            compare(&problem, &problem.network.to_f32(), &trials, repeat)
        }
    })?;
    let dtype = match args.dtype {
        Dtype::F32 => "f32",
        Dtype::F64 => "f64",
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", found.json(threads, dtype))?;
        return Ok(());
    }
    let (network, trials) = (&problem.network, &problem.trials);
    writeln!(
        out,
        "N = {}, B = {}, T = {}, {dtype}, threads {threads}, mean rate {:.2} Hz",
        network.neurons(),
        trials.len(),
        trials.first().map_or(0, |t| t.samples),
        found.rate_hz
    )?;
    writeln!(
        out,
        "forward + backward: {:.4} s median, {:.4} s least of {repeat}",
        found.seconds_median, found.seconds_min
    )?;
    writeln!(out, "\n{:8} {:>22} {:>20}", "", "value or norm", "relative difference")?;
    for (name, difference) in &found.relative_difference {
        let value = match *name {
            "cost" => format!("{:.12}", found.cost),
            "v_final" => String::new(),
            name => found
                .grad_norms
                .iter()
                .find(|(n, _)| *n == name)
                .map_or_else(String::new, |(_, x)| format!("{x:.12}")),
        };
        let difference = difference.map_or_else(|| "not stored".to_owned(), |d| format!("{d:.2e}"));
        writeln!(out, "{name:8} {value:>22} {difference:>20}")?;
    }
    Ok(())
}

impl Comparison {
    fn json(&self, threads: usize, dtype: &str) -> Value {
        let map = |pairs: &mut dyn Iterator<Item = (&'static str, Value)>| -> Value {
            Value::Object(pairs.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
        };
        json!({
            "cost": self.cost,
            "rate_hz": self.rate_hz,
            "seconds_median": self.seconds_median,
            "seconds_min": self.seconds_min,
            "processor_median": self.processor_median,
            "threads": threads,
            "dtype": dtype,
            "grad_norms": map(&mut self.grad_norms.iter().map(|&(name, x)| (name, x.into()))),
            "relative_difference": map(&mut self.relative_difference.iter().map(|&(name, x)| (name, x.into()))),
        })
    }
}

/// Computes a problem in the float type of `network` and `trials`, in the current thread pool.
///
/// # Errors
///
/// If the network or a trial is refused, or becomes non-finite.
pub fn compare<T: Scalar>(
    problem: &Problem,
    network: &Network<T>,
    trials: &[Trial<T>],
    repeat: usize,
) -> Result<Comparison, Error> {
    let scheme = SplitStep::new(network, H).map_err(Error::experiment)?;
    let loss = QuadraticLoss { lambda: T::from_subset(&LAMBDA) };
    let mut batch = Batch::default();
    let mut gradient = network.parameters.zeros_like();
    let mut once = || -> Result<([f64; 2], f64), Error> {
        let (start, processor) = (Instant::now(), ProcessTime::now());
        let result =
            batch.gradient(&scheme, trials, &loss, None, &mut gradient).map_err(Error::experiment)?;
        let seconds = [start.elapsed().as_secs_f64(), processor.elapsed().as_secs_f64()];
        match result.trials.into_iter().find_map(|t| t.cost.err()) {
            Some(error) => Err(Error::experiment(error)),
            None => Ok((seconds, result.cost.to_subset_unchecked())),
        }
    };
    let (_, cost) = once()?;
    let times = (0..repeat).map(|_| once().map(|(s, _)| s)).collect::<Result<Vec<_>, _>>()?;
    let [seconds, processor] = [0, 1].map(|kind| {
        let mut times: Vec<f64> = times.iter().map(|time| time[kind]).collect();
        times.sort_by(f64::total_cmp);
        times
    });
    let (v_final, crossings) = final_voltages(network, &scheme, trials, &loss)?;
    let steps: usize = trials.iter().map(|t| t.samples).sum();

    let group = |g: Group| gradient.group(g).iter().map(|&x| x.to_subset_unchecked()).collect::<Vec<f64>>();
    let mut relative = vec![
        ("cost", problem.cost.map(|stored| difference(&[cost], &[stored]))),
        ("v_final", problem.v_final.as_ref().map(|stored| difference(&v_final, stored))),
    ];
    let mut grad_norms = Vec::new();
    for (name, g) in GROUPS {
        let computed = group(g);
        grad_norms.push((name, norm(&computed)));
        relative.push((name, problem.gradients.get(name).map(|stored| difference(&computed, stored))));
    }
    Ok(Comparison {
        cost,
        rate_hz: crossings as f64 / (network.neurons() as f64 * steps as f64 * H * 1e-3),
        seconds_median: seconds[seconds.len() / 2],
        seconds_min: seconds[0],
        processor_median: processor[processor.len() / 2],
        grad_norms,
        relative_difference: relative,
    })
}

/// The norm of the difference over that of what is stored, or of what was computed where that is zero. JSON has no word for
/// what is not a number: it would read as not stored.
fn difference(computed: &[f64], stored: &[f64]) -> f64 {
    let difference: Vec<f64> = computed.iter().zip(stored).map(|(a, b)| a - b).collect();
    let scale = [norm(stored), norm(computed)].into_iter().find(|norm| *norm > 0.0);
    scale.map_or(0.0, |scale| norm(&difference) / scale)
}

/// The voltages at the end with the turns of the circle added back, `B x N`, and the number of spikes.
fn final_voltages<T: Scalar>(
    network: &Network<T>,
    scheme: &SplitStep<'_, T>,
    trials: &[Trial<T>],
    loss: &QuadraticLoss<T>,
) -> Result<(Vec<f64>, u64), Error> {
    let n = network.neurons();
    let width: f64 = network.parameters.group(Group::GateWidth(0))[0].to_subset_unchecked();
    let gate = Gate { shape: GateShape::RaisedCosine, width, threshold: 1.0 };
    let (mut voltages, mut crossings) = (Vec::with_capacity(trials.len() * n), 0);
    for trial in trials {
        let run = scheme.run(trial, loss).map_err(Error::experiment)?;
        let (mut x, mut tape) = (vec![T::zero(); run.dim()], SplitTape::default());
        run.start(&mut x);
        let start: Vec<f64> = x[..n].iter().map(|v| v.to_subset_unchecked()).collect();
        let mut charge = vec![0.0; n];
        for step in 0..run.steps() {
            run.rewind(&x, &mut tape);
            let cost = run.step(step, &mut x, &mut tape);
            Divergence::check(&run, step, &x, cost).map_err(Error::experiment)?;
            run.last_spikes(&tape, |_, spikes| crossings += spikes);
            for (neuron, &q) in tape.last_charges() {
                let q: f64 = q.to_subset_unchecked();
                charge[neuron] += q;
            }
        }
        for i in 0..n {
            // The charge says how often the voltage went round: Q = turns + G(v).
            let v: f64 = x[i].to_subset_unchecked();
            let turns = (charge[i] + gate.charge(start[i]) - gate.charge(v)).round();
            voltages.push(v + turns);
        }
    }
    Ok((voltages, crossings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_numbers_whatever_is_stored() {
        assert_eq!(difference(&[3.0, 4.0], &[3.0, 4.0]), 0.0);
        assert_eq!(difference(&[0.0, 2.0], &[0.0, 1.0]), 1.0);
        assert_eq!(difference(&[0.0], &[0.0]), 0.0);
        assert_eq!(difference(&[2.0], &[0.0]), 1.0);
        assert_eq!(difference(&[1e200, 0.0], &[2e200, 0.0]), 0.5);
    }
}
