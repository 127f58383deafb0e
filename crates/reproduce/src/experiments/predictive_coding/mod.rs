//! The experiment `predictive-coding`: a network of 30 non-leaky integrate-and-fire neurons learns, by gradient descent
//! alone, the balanced network that theory derives (the paper's Fig. 2), on three seeds; beside it the analytic
//! networks, and the network of hard spikes that the trained one turns into when its gate narrows.

use indicatif::ProgressBar;
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use spikegrad::models::GateShape;
use spikegrad::network::{Group, Network, Recording, SplitStep, Trial};
use spikegrad::tasks::predictive_coding::{LinearSystem, PredictiveCoding};
use spikegrad::tasks::{Iteration, Purpose, Task, TrainingOptions, evaluate, generator, train};
use spikegrad_report::plot::{BLACK, BLUE, GREEN, GREY, ORANGE, Panel, Plot, Style, VERMILLION, cycle};

mod overview;
pub(super) mod seeds;

use super::Context;
use super::seeds::{Judged, judged};
use crate::Error;
use crate::report::Report;

const NEURONS: usize = 30;
/// Width of the gate's active zone in training.
const WIDTH: f64 = 0.3;
/// Width of the gate and step, ms, of the network run as hard spikes.
const HARD: (f64, f64) = (0.02, 0.02);
/// Time constant of the smoothing filter, ms.
const SMOOTH: f64 = 10.0;
/// A cost above this one is that of activity that grows without bound; without any activity it is below 1.
const RUNAWAY: f64 = 10.0;
/// What is known of it: measured in the quick run with seed 1, in iteration 5.
const RUNAWAY_SAYS: &str = " Costs far above 1 are those of iterations in which the fast weights have an eigenvalue \
    \u{3bb} above 1. A spike then causes more than one other spike, the rate of these neurons has no upper limit, and activity grows by \
    exp((\u{3bb} \u{2212} 1) t / \u{3c4}<sub>f</sub>) until the trial ends. In iteration 5 of the quick run with seed 1, \u{3bb} = 1.16 \
    and spikes grow in 10 ms by a factor of 4.6 with this integration step and of 4.9 with a fifth of it, where the formula says 5.0: this is \
    what the equations do, and no error of the step. It is so in all twenty trials of the batch, whose costs lie between 9e9 and 8e12.";
/// A neuron below this rate is silent, Hz.
const SILENT: f64 = 0.5;

/// One trained network and what its figures are computed from.
struct Trained {
    seed: u64,
    task: PredictiveCoding,
    options: TrainingOptions,
    network: Network<f64>,
    history: Vec<Iteration>,
}

/// The figures of one network on held-out signals.
#[derive(Clone, Copy, Debug)]
struct Figures {
    nrmse: f64,
    correlation: f64,
    slope: f64,
    cosine: f64,
    balance: f64,
    balance_raw: f64,
    residual: f64,
    silent: f64,
    rate: f64,
    hard: f64,
}

/// The figures of a network, and the bands that they must meet.
const MEASURES: [Judged<Figures>; 10] = [
    judged("normalised RMSE of the readout", "", Some([0.0, 0.06]), |f| f.nrmse),
    judged("W_f against -U O: correlation", "", Some([0.985, 1.0]), |f| f.correlation),
    judged("W_f against -U O: slope", "", Some([0.88, 1.12]), |f| f.slope),
    judged("O against U^T: mean cosine", "", Some([0.96, 1.0]), |f| f.cosine),
    judged("balance, smoothed", "", Some([0.98, 1.0]), |f| f.balance),
    judged("balance, raw", "", Some([0.92, 1.0]), |f| f.balance_raw),
    judged("total over input current, smoothed", "", Some([0.0, 0.22]), |f| f.residual),
    judged("silent neurons", "", Some([0.0, 0.0]), |f| f.silent),
    judged("mean rate", "Hz", Some([0.0, 45.0]), |f| f.rate),
    judged("as hard spikes: normalised RMSE", "", Some([0.0, 0.09]), |f| f.hard),
];

/// How much is done: iterations of training, held-out trials.
fn amounts(context: &Context) -> (usize, usize) {
    if context.quick { (12, 2) } else { (1500, 20) }
}

/// Runs the experiment.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let (iterations, held_out) = amounts(context);
    let task = PredictiveCoding::autoencoder(NEURONS);
    let bar = context.bar((context.seeds.len() * iterations) as u64, "predictive coding");
    let mut trained = Vec::new();
    for &seed in &context.seeds {
        trained.push(train_network(context, &seed_key(seed), &task, iterations, seed, &bar)?);
    }
    bar.finish_and_clear();

    for (k, one) in trained.iter().enumerate() {
        let figures = one.figures(held_out)?;
        for (measure, of) in MEASURES {
            let name = if k == 0 { measure.name.to_owned() } else { format!("{}, seed + {k}", measure.name) };
            report.figure(name, of(&figures), measure.unit, measure.band);
        }
    }
    let first = &trained[0];
    // Theory puts every voltage half-way; two opposite neurons that both start near threshold would answer each other's
    // spikes for ever.
    let theory_task = PredictiveCoding { initial_v: (0.5, 0.5), ..first.task.clone() };
    let analytic = analytic(&theory_task, &first.options, context.seed)?;
    let greedy = greedy(&theory_task, &analytic, held_out, context.seed)?;
    let on_analytic = Trained {
        network: analytic,
        seed: first.seed,
        task: theory_task,
        options: first.options.clone(),
        history: Vec::new(),
    };
    let theory = on_analytic.figures(held_out)?;
    report
        .figure("analytic network: normalised RMSE", theory.nrmse, "", None)
        .figure("analytic network: mean rate", theory.rate, "Hz", None)
        .figure("greedy analytic network: normalised RMSE", greedy.0, "", None)
        .figure("greedy analytic network: mean rate", greedy.1, "Hz", None);
    pictures(report, first)?;
    linear_system(context, report, iterations)
}

/// What stays the same over the experiment.
pub(super) fn settings(context: &Context, report: &mut Report) {
    let (iterations, held_out) = amounts(context);
    let task = PredictiveCoding::autoencoder(NEURONS);
    let options = task.options(iterations, 0);
    report
        .setting("neurons", NEURONS)
        .setting("gate", format!("{}, width {WIDTH}", GateShape::RaisedCosine.name()))
        .setting("tau, tau_f (ms)", vec![task.tau, task.tau_fast])
        .setting("h (ms)", task.h)
        .setting("input: filter (ms), standard deviation", vec![task.input_tau, task.input_std])
        .setting("trial length, first and last (ms)", vec![task.duration.0, task.duration.1])
        .setting("iterations", iterations)
        .setting("trials a batch", options.batch)
        .setting(
            "learning rates",
            options.rates.iter().map(|r| format!("{} {}", r.group, r.rate)).collect::<Vec<_>>(),
        )
        .setting("clipping of trials", options.clip.map(|c| vec![c.quantile, c.factor]))
        .setting("held-out trials", format!("{held_out} of {} ms", task.test_duration))
        .setting("seeds", context.seeds.clone());
}

/// The name that the training of a seed is kept under.
fn seed_key(seed: u64) -> String {
    format!("seed-{seed}")
}

fn train_network(
    context: &Context,
    key: &str,
    task: &PredictiveCoding,
    iterations: usize,
    seed: u64,
    bar: &ProgressBar,
) -> Result<Trained, Error> {
    let mut network = task.network(GateShape::RaisedCosine, WIDTH, seed).map_err(Error::experiment)?;
    let options =
        TrainingOptions { checkpoint: Some(context.checkpoint(key, 50)), ..task.options(iterations, seed) };
    let mut watch = Watch { bar, start: bar.position() };
    let history = train(&mut network, task, &options, &mut watch).map_err(Error::experiment)?;
    Ok(Trained { seed, task: task.clone(), options, network, history })
}

/// A bar that several trainings share.
struct Watch<'a> {
    bar: &'a ProgressBar,
    start: u64,
}

impl spikegrad::tasks::Observer<Network<f64>> for Watch<'_> {
    fn iteration(&mut self, done: &Iteration, _: &Network<f64>) -> std::ops::ControlFlow<()> {
        self.bar.set_position(self.start + done.iteration as u64 + 1);
        self.bar.set_message(format!("cost {:.2e}", done.cost));
        std::ops::ControlFlow::Continue(())
    }
}

/// What one held-out trial adds to the figures.
struct Look {
    error: f64,
    power: f64,
    balance: Vec<f64>,
    balance_raw: Vec<f64>,
    residual: Vec<f64>,
    counts: Vec<u64>,
}

impl Trained {
    fn figures(&self, trials: usize) -> Result<Figures, Error> {
        let looks =
            evaluate(&self.network, &self.task, &self.options, Purpose::Test, trials, |trial, recording| {
                self.look(trial, recording)
            })
            .map_err(Error::experiment)?;
        let parameters = &self.network.parameters;
        let (u, o) = (parameters.input().into_owned(), parameters.readout(0).into_owned());
        let w = parameters.weight(1).into_owned();
        let ideal = -(&u * &o);
        let pairs: Vec<(f64, f64)> =
            (0..NEURONS * NEURONS).filter(|i| i % NEURONS != i / NEURONS).map(|i| (ideal[i], w[i])).collect();
        let slope =
            pairs.iter().map(|(x, y)| x * y).sum::<f64>() / pairs.iter().map(|(x, _)| x * x).sum::<f64>();
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let cosine = (0..NEURONS)
            .map(|j| {
                let (a, b) = (u.row(j).transpose(), o.column(j));
                a.dot(&b) / (a.norm() * b.norm())
            })
            .sum::<f64>()
            / NEURONS as f64;
        let mean = |f: fn(&Look) -> &Vec<f64>| {
            let all: Vec<f64> = looks.iter().flat_map(|l| f(l).iter().copied()).collect();
            all.iter().sum::<f64>() / all.len() as f64
        };
        let seconds = trials as f64 * self.task.test_duration * 1e-3;
        let rates: Vec<f64> =
            (0..NEURONS).map(|j| looks.iter().map(|l| l.counts[j]).sum::<u64>() as f64 / seconds).collect();
        Ok(Figures {
            nrmse: (looks.iter().map(|l| l.error).sum::<f64>() / looks.iter().map(|l| l.power).sum::<f64>())
                .sqrt(),
            correlation: correlation(&x, &y),
            slope,
            cosine,
            balance: mean(|l| &l.balance),
            balance_raw: mean(|l| &l.balance_raw),
            residual: mean(|l| &l.residual),
            silent: rates.iter().filter(|&&r| r < SILENT).count() as f64,
            rate: rates.iter().sum::<f64>() / NEURONS as f64,
            hard: self.hard_spikes(trials)?,
        })
    }

    fn look(&self, trial: &Trial<f64>, recording: &Recording<f64>) -> Look {
        let drive = input_current(&self.network, trial);
        let steps = recording.time.len();
        let mut look = Look {
            error: 0.0,
            power: trial.targets.iter().map(|d| d * d).sum(),
            balance: Vec::new(),
            balance_raw: Vec::new(),
            residual: Vec::new(),
            counts: recording.spike_counts(),
        };
        look.error = recording.output.iter().zip(&trial.targets).map(|(o, d)| (o - d).powi(2)).sum();
        for j in 0..NEURONS {
            let input: Vec<f64> = (0..steps).map(|n| drive[n * NEURONS + j]).collect();
            let fast: Vec<f64> =
                (0..steps).map(|n| -recording.synaptic_current[1][n * NEURONS + j]).collect();
            look.balance_raw.push(correlation(&input, &fast));
            let (input, fast) = (smooth(&input, self.task.h), smooth(&fast, self.task.h));
            look.balance.push(correlation(&input, &fast));
            let total: Vec<f64> = input.iter().zip(&fast).map(|(a, b)| a - b).collect();
            look.residual.push(deviation(&total) / deviation(&input));
        }
        look
    }

    /// The same weights with a narrow gate and a small step, on the same signals: an ordinary spiking network.
    fn hard_spikes(&self, trials: usize) -> Result<f64, Error> {
        let mut network = self.network.clone();
        network.parameters.group_mut(Group::GateWidth(0))[0] = HARD.0;
        let options = TrainingOptions { h: HARD.1, ..self.options.clone() };
        let hold = (self.task.h / HARD.1).round() as usize;
        let outputs = network.outputs();
        let sums = evaluate(&network, &self.task, &options, Purpose::Test, trials, |trial, recording| {
            // The target is known at the right ends of the samples.
            let ends = recording.output.chunks_exact(hold * outputs).map(|c| &c[(hold - 1) * outputs..]);
            let error: f64 = ends.flatten().zip(&trial.targets).map(|(o, d)| (o - d).powi(2)).sum();
            (error, trial.targets.iter().map(|d| d * d).sum::<f64>())
        })
        .map_err(Error::experiment)?;
        Ok((sums.iter().map(|s| s.0).sum::<f64>() / sums.iter().map(|s| s.1).sum::<f64>()).sqrt())
    }
}

/// `U i` at every sample, `samples x N`.
fn input_current(network: &Network<f64>, trial: &Trial<f64>) -> Vec<f64> {
    let u = network.parameters.input();
    let inputs = trial.inputs.chunks_exact(network.inputs());
    inputs.flat_map(|i| (u * DVector::from_column_slice(i)).as_slice().to_vec()).collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn deviation(x: &[f64]) -> f64 {
    let m = mean(x);
    (x.iter().map(|x| (x - m).powi(2)).sum::<f64>() / x.len() as f64).sqrt()
}

fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let (mx, my) = (mean(x), mean(y));
    let covariance: f64 = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / x.len() as f64;
    covariance / (deviation(x) * deviation(y))
}

/// One pole of [`SMOOTH`] ms.
fn smooth(x: &[f64], h: f64) -> Vec<f64> {
    let a = (-h / SMOOTH).exp();
    let mut y = 0.0;
    x.iter()
        .map(|x| {
            y = a * y + (1.0 - a) * x;
            y
        })
        .collect()
}

/// The network of theory: evenly spread unit directions, `O = U^T / |U|^2`, `W_f = -U O`.
fn analytic(task: &PredictiveCoding, options: &TrainingOptions, seed: u64) -> Result<Network<f64>, Error> {
    let mut network = task.network(GateShape::RaisedCosine, WIDTH, seed).map_err(Error::experiment)?;
    task.set_analytic_weights(&mut network).map_err(Error::experiment)?;
    SplitStep::new(&network, options.h).map_err(Error::experiment)?;
    Ok(network)
}

/// The same weights with instantaneous fast synapses and one spike at a time, the one furthest above threshold:
/// normalised RMSE and mean rate, Hz.
fn greedy(
    task: &PredictiveCoding,
    network: &Network<f64>,
    trials: usize,
    seed: u64,
) -> Result<(f64, f64), Error> {
    let (u, o) = (network.parameters.input().into_owned(), network.parameters.readout(0).into_owned());
    let kick: DMatrix<f64> = &u * &o;
    let a = (-task.h / task.tau).exp();
    let sums: Vec<(f64, f64, usize)> = (0..trials as u64)
        .into_par_iter()
        .map(|index| {
            let rng = &mut generator(seed, Purpose::Test, index);
            let trial = task.trial_of(task.test_duration, rng).map_err(Error::experiment)?;
            let mut v = trial.initial.as_ref().map_or_else(Vec::new, |i| i.x.clone());
            let (mut readout, mut spikes, mut error, mut power) =
                (DVector::zeros(network.outputs()), 0, 0.0, 0.0);
            let drive = input_current(network, &trial);
            for (n, target) in trial.targets.chunks_exact(network.outputs()).enumerate() {
                readout *= a;
                for (v, i) in v.iter_mut().zip(&drive[n * NEURONS..]) {
                    *v += task.h * i;
                }
                let first = (0..NEURONS).max_by(|&i, &j| v[i].total_cmp(&v[j])).filter(|&j| v[j] >= 1.0);
                if let Some(j) = first {
                    for (i, v) in v.iter_mut().enumerate() {
                        *v -= if i == j { 1.0 } else { kick[(i, j)] };
                    }
                    readout += o.column(j) * ((1.0 - a) / task.h);
                    spikes += 1;
                }
                error += readout.iter().zip(target).map(|(o, d)| (o - d).powi(2)).sum::<f64>();
                power += target.iter().map(|d| d * d).sum::<f64>();
            }
            Ok((error, power, spikes))
        })
        .collect::<Result<_, Error>>()?;
    let total = |f: fn(&(f64, f64, usize)) -> f64| sums.iter().map(f).sum::<f64>();
    let seconds = trials as f64 * task.test_duration * 1e-3;
    Ok(((total(|s| s.0) / total(|s| s.1)).sqrt(), total(|s| s.2 as f64) / (NEURONS as f64 * seconds)))
}

/// The entries of a matrix over all neurons, without the diagonal.
fn off_diagonal(m: &DMatrix<f64>) -> Vec<f64> {
    (0..NEURONS * NEURONS).filter(|i| i % NEURONS != i / NEURONS).map(|i| m[i]).collect()
}

fn pictures(report: &mut Report, trained: &Trained) -> Result<(), Error> {
    let (task, network) = (&trained.task, &trained.network);
    let rng = &mut generator(trained.seed, Purpose::Test, 0);
    let trial = task.trial_of(task.test_duration, rng).map_err(Error::experiment)?;
    let scheme = SplitStep::new(network, trained.options.h).map_err(Error::experiment)?;
    let recording =
        scheme.run(&trial, task.loss()).and_then(|run| run.record()).map_err(Error::experiment)?;
    let steps = recording.time.len();
    let column =
        |x: &[f64], width: usize, j: usize| -> Vec<f64> { (0..steps).map(|n| x[n * width + j]).collect() };
    let time = &recording.time;
    let drive = input_current(network, &trial);

    let mut traces = Plot::new(1).letters().heights(&[1.0, 1.0, 1.6]);
    for d in 0..2 {
        traces = traces.panel(
            Panel::new(if d == 0 { "Readout and target" } else { "" })
                .hide_x()
                .y_label(if d == 0 { "o_{1} (1/ms)" } else { "o_{2} (1/ms)" })
                .line(time, &column(&recording.output, 2, d), Style::new(BLUE).label("readout"))
                .line(time, &column(&trial.targets, 2, d), Style::new(BLACK).dashed().label("target")),
        );
    }
    let spikes = recording.spike_times();
    let learned = network.parameters.weight(1).into_owned();
    let theory = -(network.parameters.input() * network.parameters.readout(0));
    overview::picture(
        report,
        &overview::Seen {
            time,
            output: &recording.output,
            targets: &trial.targets,
            spikes: &spikes,
            theory: &off_diagonal(&theory),
            learned: &off_diagonal(&learned),
        },
    )?;
    traces = traces.panel(Panel::new("Spikes").x_label("time (ms)").y_label("neuron").raster(&spikes, BLACK));
    report.plot(
        "readout",
        "Readout and spikes.",
        format!(
            "A held-out trial of {} ms, of a network that was trained on at most {} ms: its readout, the target, and the \
             spikes that carry it.",
            task.test_duration, task.duration.1
        ),
        traces.render()?,
    );

    // The neuron that fires most on this trial, and its voltage if the fast synapses were not there.
    let busiest = (0..NEURONS).max_by_key(|&j| spikes[j].len()).unwrap_or(0);
    let input = column(&drive, NEURONS, busiest);
    let fast = column(&recording.synaptic_current[1], NEURONS, busiest);
    let (input, fast) = (smooth(&input, task.h), smooth(&fast, task.h));
    let total: Vec<f64> = input.iter().zip(&fast).map(|(a, b)| a + b).collect();
    // What theory bounds is the voltage without resets: the charge not yet accounted for.
    let raw_input = column(&drive, NEURONS, busiest);
    let bias = network.parameters.bias()[busiest];
    let v_0 = trial.initial.as_ref().map_or(0.0, |i| i.x[busiest]);
    let mut sum = v_0;
    let without: Vec<f64> = raw_input
        .iter()
        .map(|i| {
            sum += task.h * (i + bias);
            sum
        })
        .collect();
    let v = column(&recording.v, NEURONS, busiest);
    report.figure(
        "voltage over voltage without the fast current: standard deviation",
        deviation(&v) / deviation(&without),
        "",
        None,
    );
    let currents = Plot::new(2)
        .letters()
        .panel(
            Panel::new("Currents of one neuron")
                .x_label("time (ms)")
                .y_label("current (1/ms), smoothed")
                .line(time, &input, Style::new(VERMILLION).label("U i"))
                .line(time, &fast, Style::new(BLUE).label("W_{f} s_{f}"))
                .line(time, &total, Style::new(BLACK).label("total")),
        )
        .panel(
            Panel::new("Its voltage")
                .x_label("time (ms)")
                .y_label("v")
                .line(time, &without, Style::new(GREY).label("without fast current"))
                .line(time, &v, Style::new(BLUE).label("with")),
        );
    report.plot(
        "balance",
        "Balance.",
        format!(
            "Input and fast recurrent current of the neuron that fires most, and what is left of them: standard deviations \
             {:.3}, {:.3} and {:.3} per ms. Its voltage with the fast current and, had it no resets, without: {:.2} and {:.2}.",
            deviation(&input),
            deviation(&fast),
            deviation(&total),
            deviation(&v),
            deviation(&without)
        ),
        currents.render()?,
    );

    let parameters = &network.parameters;
    let (u, o) = (parameters.input().into_owned(), parameters.readout(0).into_owned());
    let w = parameters.weight(1).into_owned();
    let mut ideal = -(&u * &o);
    ideal.fill_diagonal(0.0);
    let rows =
        |m: &DMatrix<f64>| -> Vec<Vec<f64>> { m.row_iter().map(|r| r.iter().copied().collect()).collect() };
    let limit = ideal.amax().max(w.amax());
    let matrices = Plot::new(3)
        .letters()
        .panel(
            Panel::new("W_{f}, learned")
                .x_label("presynaptic")
                .y_label("postsynaptic")
                .heat(&rows(&w), "")
                .heat_limit(limit),
        )
        .panel(
            Panel::new("\u{2212}U O")
                .x_label("presynaptic")
                .y_label("postsynaptic")
                .heat(&rows(&ideal), "")
                .heat_limit(limit),
        )
        .panel(
            Panel::new("Entry by entry")
                .x_label("\u{2212}U O")
                .y_label("W_{f}")
                .scatter(&off_diagonal(&ideal), &off_diagonal(&w), Style::new(BLUE).alpha(0.4))
                .identity(),
        );
    report.plot(
        "weights",
        "Fast weights.",
        "The learned fast weights against what theory derives from the learned input and readout weights, neurons in the \
         order of their input directions. Nothing in the cost asks for this relation.",
        matrices.render()?,
    );
    let mut readout = Plot::new(2).letters();
    for d in 0..2 {
        let x: Vec<f64> = u.column(d).iter().copied().collect();
        let y: Vec<f64> = o.row(d).iter().copied().collect();
        readout =
            readout.panel(Panel::new(format!("Dimension {}", d + 1)).x_label("U^{T}").y_label("O").scatter(
                &x,
                &y,
                Style::new(GREEN),
            ));
    }
    report.plot(
        "decoders",
        "Readout weights.",
        "Readout against input weights, neuron by neuron.",
        readout.render()?,
    );
    let iterations: Vec<f64> = (0..trained.history.len()).map(|n| n as f64 + 1.0).collect();
    let cost: Vec<f64> = trained.history.iter().map(|i| i.cost).collect();
    let learning =
        Plot::new(1).panel(Panel::new("Learning").x_label("iteration").y_label("cost").log_y().line(
            &iterations,
            &cost,
            Style::new(ORANGE),
        ));
    let peak = cost.iter().copied().filter(|cost| cost.is_finite()).fold(0.0, f64::max);
    let why = if peak > RUNAWAY { RUNAWAY_SAYS } else { "" };
    report.plot(
        "learning",
        "Learning.",
        format!("Mean cost of each batch of fresh trials.{why}"),
        learning.render()?,
    );
    Ok(())
}

/// A damped oscillator, `do_d/dt = A o_d + B i`: the slow recurrent synapses have to keep a state that decays more slowly
/// than they do.
fn linear_system(context: &Context, report: &mut Report, iterations: usize) -> Result<(), Error> {
    let (decay, turn) = (1.0 / 50.0, std::f64::consts::TAU / 200.0);
    let system = LinearSystem {
        a: DMatrix::from_row_slice(2, 2, &[-decay, -turn, turn, -decay]),
        b: DMatrix::identity(2, 2) / 25.0,
    };
    let task = PredictiveCoding::linear_system(NEURONS, system);
    let bar = context.bar(iterations as u64, "linear system");
    let trained = train_network(context, "linear-system", &task, iterations, context.seed, &bar)?;
    bar.finish_and_clear();
    let scores =
        evaluate(&trained.network, &task, &trained.options, Purpose::Test, 10, |trial, recording| {
            task.score(trial, recording)
        })
        .map_err(Error::experiment)?;
    report.heading("A linear dynamical system");
    report.prose(
        "The readout is to follow a damped oscillator, <code>do<sub>d</sub>/dt = A o<sub>d</sub> + B i</code>, that \
         forgets five times more slowly than the slow synapses (50 ms against 10 ms). Slow recurrent weights are learned \
         as well.",
    );
    report.figure("linear system: normalised RMSE", mean(&scores), "", None);
    let rng = &mut generator(context.seed, Purpose::Test, 0);
    let trial = task.trial_of(task.test_duration, rng).map_err(Error::experiment)?;
    let scheme = SplitStep::new(&trained.network, trained.options.h).map_err(Error::experiment)?;
    let recording =
        scheme.run(&trial, task.loss()).and_then(|run| run.record()).map_err(Error::experiment)?;
    let mut plot = Plot::new(2).letters();
    for d in 0..2 {
        let column = |x: &[f64]| -> Vec<f64> { x.iter().skip(d).step_by(2).copied().collect() };
        plot = plot.panel(
            Panel::new(format!("State {}", d + 1))
                .x_label("time (ms)")
                .y_label("o (1/ms)")
                .line(&recording.time, &column(&recording.output), Style::new(cycle(d)).label("readout"))
                .line(&recording.time, &column(&trial.targets), Style::new(BLACK).dashed().label("target")),
        );
    }
    report.plot("linear-system", "A damped oscillator.", "Held-out trial.", plot.render()?);
    Ok(())
}
