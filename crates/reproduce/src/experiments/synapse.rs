//! The experiment `synapse`: the differentiable synapse delivers unit charge for a full depolarisation at any speed and a
//! graded one for a partial depolarisation (the paper's Fig. 1); and what a naive discretisation makes of it.

use rand_distr::{Distribution, StandardNormal};
use spikegrad::adjoint::Sweep;
use spikegrad::integrators::{RungeKutta, Step, norm, tableau};
use spikegrad::models::{Gate, GateShape, Nif, Theta};
use spikegrad::network::{Group, InitialState, Network, NoLoss, PlainStep, Population, SplitStep, Trial};
use spikegrad::tasks::{Purpose, QuadraticLoss, generator};
use spikegrad_report::plot::{BLACK, BLUE, Panel, Plot, Style, VERMILLION, cycle};

use super::naive::{self, NaiveNetwork};
use super::{Activity, Context};
use crate::Error;
use crate::report::{Report, largest};

/// Width of the gate in the traces.
const WIDTH: f64 = 0.3;
/// Where the voltages of the traces start.
const START: f64 = 0.2;
/// Step of the traces, ms.
const H: f64 = 0.1;
/// Time constant of the synapse in the traces, ms.
const TAU: f64 = 10.0;
/// The charge that agrees with theory to rounding.
const EXACT: f64 = 1e-12;

/// A depolarisation: its name, the position in the active zone that it reaches, and how long it takes, ms.
const DEPOLARISATIONS: [(&str, f64, f64); 5] = [
    ("full", 1.0, 5.0),
    ("full, slow", 1.0, 40.0),
    ("partial, 3/4", 0.75, 10.0),
    ("partial, 1/4", 0.25, 10.0),
    ("sub-threshold", -0.5, 10.0),
];

/// What stays the same over the experiment.
pub(super) fn settings(_: &Context, report: &mut Report) {
    report
        .setting("gate width", WIDTH)
        .setting("tau (ms)", TAU)
        .setting("h (ms)", H)
        .setting("neuron of the traces", "non-leaky integrate-and-fire, driven by pulses of current");
}

/// Runs the experiment.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    report.prose(
        "The synapse is <code>tau ds/dt = \u{2212}s + g(v) dv/dt</code>: what it receives is a function of where the \
         voltage goes, not of whether a threshold was crossed, and so it can be differentiated.",
    );
    figure_one(report)?;
    other_gates(report)?;
    charge_against_step(report)?;
    gradient_against_step(context, report)
}

/// The network of the traces: one neuron for each depolarisation, each with an input of its own.
fn depolarised(shape: GateShape) -> Result<(Network<f64>, Trial<f64>), Error> {
    let n = DEPOLARISATIONS.len();
    let mut network = Network::builder()
        .population(Population::new("nif", Nif, n, shape, WIDTH))
        .synapse("slow", TAU)
        .inputs(n)
        .build()
        .map_err(Error::experiment)?;
    network.parameters.input_mut().fill_with_identity();
    let samples = 1000;
    let mut trial = Trial::silent(samples, H, n);
    for (j, &(_, u, duration)) in DEPOLARISATIONS.iter().enumerate() {
        let (first, steps) = (100, (duration / H).round() as usize);
        // A full depolarisation ends a hair beyond threshold, so that rounding does not decide whether it fired.
        let beyond = if u >= 1.0 { 1e-9 } else { 0.0 };
        let goal = 1.0 - WIDTH + u * WIDTH + beyond;
        for m in first..first + steps {
            trial.inputs[m * n + j] = (goal - START) / duration;
        }
    }
    trial.initial = Some(InitialState { x: vec![START; n], s: Vec::new() });
    Ok((network, trial))
}

/// What the depolarisations look like, neuron by neuron.
struct Traces {
    time: Vec<f64>,
    v: Vec<Vec<f64>>,
    s: Vec<Vec<f64>>,
    /// Reconstructed from the synapse alone.
    charges: Vec<f64>,
}

/// Runs the depolarisations with a gate.
fn traces(shape: GateShape) -> Result<Traces, Error> {
    let (network, trial) = depolarised(shape)?;
    let scheme = SplitStep::new(&network, H).map_err(Error::experiment)?;
    let recording = scheme.run(&trial, &NoLoss).and_then(|run| run.record()).map_err(Error::experiment)?;
    let n = DEPOLARISATIONS.len();
    let column = |x: &[f64], j: usize| -> Vec<f64> { x.iter().skip(j).step_by(n).copied().collect() };
    let v: Vec<_> = (0..n).map(|j| column(&recording.v, j)).collect();
    let s: Vec<_> = (0..n).map(|j| column(&recording.s[0], j)).collect();
    let charges = s.iter().map(|s| charge(s, TAU, H)).collect();
    Ok(Traces { time: recording.time, v, s, charges })
}

/// The charge that a synapse received: `sum (s' - a s) / b`.
fn charge(s: &[f64], tau: f64, h: f64) -> f64 {
    let a = (-h / tau).exp();
    let b = (1.0 - a) / h;
    let mut before = 0.0;
    s.iter()
        .map(|&s| {
            let q = (s - a * before) / b;
            before = s;
            q
        })
        .sum()
}

/// Ticks of the time in all panels: in a narrow one, two would be left.
const TICKS: [(f64, &str); 3] = [(0.0, "0"), (50.0, "50"), (100.0, "100")];

fn figure_one(report: &mut Report) -> Result<(), Error> {
    let Traces { time, v, s, charges } = traces(GateShape::Box)?;
    let mut largest: f64 = 0.0;
    for ((name, u, _), charge) in DEPOLARISATIONS.iter().zip(&charges) {
        let exact = u.max(0.0);
        largest = largest.max((charge - exact).abs());
        // The hair beyond threshold is 1e-9 of voltage after the reset and releases nothing.
        report.figure(format!("charge, box gate: {name}"), *charge, "", Some([exact - EXACT, exact + EXACT]));
    }
    let mut plot = Plot::new(DEPOLARISATIONS.len()).heights(&[1.0, 1.0]);
    for (j, (name, _, _)) in DEPOLARISATIONS.iter().enumerate() {
        let panel = Panel::new(*name).hide_x().x_range(0.0, 100.0).x_ticks(&TICKS).y_range(0.0, 1.15);
        let panel = panel.named_hline(1.0, "threshold").named_hline(1.0 - WIDTH, "zone");
        let panel = if j == 0 { panel.y_label("v (threshold 1)") } else { panel };
        plot = plot.panel(panel.line(&time, &v[j], Style::new(BLACK)));
    }
    for j in 0..DEPOLARISATIONS.len() {
        let panel = Panel::new("")
            .x_label("time (ms)")
            .x_range(0.0, 100.0)
            .x_ticks(&TICKS)
            .y_range(0.0, 0.12)
            .note(format!("charge {:.2}", charges[j]));
        let panel = if j == 0 { panel.y_label("s (1/ms)") } else { panel };
        plot = plot.panel(panel.line(&time, &s[j], Style::new(BLUE)));
    }
    report.plot(
        "depolarisations",
        "Charge follows the depolarisation.",
        format!(
            "Membrane voltage (top; the active zone lies between the two lines) and synaptic trace \
             (bottom) with a box gate. A full depolarisation is to deliver charge 1 however long it takes, a partial one its \
             part of the active zone, a sub-threshold one nothing: what the synapses received differs from that by at most \
             {largest:.0e}."
        ),
        plot.size(900.0, 170.0).render()?,
    );
    Ok(())
}

fn other_gates(report: &mut Report) -> Result<(), Error> {
    let mut rows = Vec::new();
    let mut shapes = Panel::new("Gates").x_label("v (threshold 1)").y_label("g(v) (1 per unit of v)");
    let mut slow = Panel::new("Synapse, slow full depolarisation").x_label("time (ms)").y_label("s (1/ms)");
    let mut errors = Vec::new();
    for (k, shape) in GateShape::ALL.into_iter().enumerate() {
        let gate = Gate { shape, width: WIDTH, threshold: 1.0 };
        let v: Vec<f64> = (0..=600).map(|i| 0.6 + 0.45 * f64::from(i) / 600.0).collect();
        let g: Vec<f64> = v.iter().map(|&v| gate.density(v)).collect();
        shapes = shapes.line(&v, &g, Style::new(cycle(k)).label(shape.name()));
        let Traces { time, s, charges, .. } = traces(shape)?;
        slow = slow.line(&time, &s[1], Style::new(cycle(k)).label(shape.name()));
        rows.push(
            std::iter::once(shape.name().to_owned())
                .chain(charges.iter().map(|q| format!("{q:.4}")))
                .collect(),
        );
        let wanted = DEPOLARISATIONS.iter().map(|&(_, u, _)| shape.charge(u));
        errors.extend(charges.iter().zip(wanted).map(|(q, wanted)| (q - wanted).abs()));
    }
    report.figure("charge, all gates: largest error", largest(errors), "", Some([0.0, EXACT]));
    let header: Vec<&str> = std::iter::once("gate").chain(DEPOLARISATIONS.iter().map(|d| d.0)).collect();
    report.table("Charge delivered with each gate.", &header, rows);
    let plot = Plot::new(2).letters().panel(shapes).panel(slow);
    report.plot("gates", "Gates.", "Every gate has unit area; only its shape differs.", plot.render()?);
    Ok(())
}

/// One theta neuron with a constant current over 200 ms.
struct One {
    current: f64,
    width: f64,
    tau: f64,
    duration: f64,
}

impl One {
    fn network(&self) -> Result<Network<f64>, Error> {
        let mut network = Network::builder()
            .population(Population::new("theta", Theta::default(), 1, GateShape::RaisedCosine, self.width))
            .synapse("slow", self.tau)
            .build()
            .map_err(Error::experiment)?;
        network.parameters.bias_mut()[0] = self.current;
        Ok(network)
    }

    fn trial(&self) -> Trial<f64> {
        let samples = (self.duration / 5.0).round() as usize;
        Trial {
            initial: Some(InitialState { x: vec![0.0], s: Vec::new() }),
            ..Trial::silent(samples, 5.0, 0)
        }
    }

    /// Charge per spike and the derivative of `int s dt` by the current, in charge coordinates.
    fn split(&self, h: f64) -> Result<(f64, f64), Error> {
        let (network, trial) = (self.network()?, self.trial());
        let scheme = SplitStep::new(&network, h).map_err(Error::experiment)?;
        let run = scheme.run(&trial, &Activity).map_err(Error::experiment)?;
        let recording = run.record().map_err(Error::experiment)?;
        let mut gradient = network.parameters.zeros_like();
        Sweep::new().gradient(&run, gradient.values_mut()).map_err(Error::experiment)?;
        // Up to the last reset the charge is the number of spikes.
        let last = recording.spikes.last().map_or(0.0, |spike| spike.time);
        let steps = (last / h).ceil() as usize;
        let gate = Gate { shape: GateShape::RaisedCosine, width: self.width, threshold: 1.0 };
        let rest = steps.checked_sub(1).map_or(0.0, |n| gate.charge(recording.v[n]));
        let per_spike =
            (charge(&recording.s[0][..steps], self.tau, h) - rest) / recording.spike_counts()[0] as f64;
        Ok((per_spike, gradient.bias()[0]))
    }

    /// The same with Euler's method on `tau ds/dt = -s + g(v) dv/dt`.
    fn naive(&self, h: f64) -> Result<(f64, f64), Error> {
        let network = self.network()?;
        let steps = (self.duration / h).round() as usize;
        let field = NaiveNetwork::new(&network);
        let cost = naive::Activity { h };
        let problem = RungeKutta::new(tableau::EULER, field, vec![0.0; 2], h, steps, cost)
            .map_err(Error::experiment)?;
        let mut gradient = vec![0.0; network.parameters.layout().len() + 2];
        let mut sweep = Sweep::new();
        sweep.gradient(&problem, &mut gradient).map_err(Error::experiment)?;
        let (mut s, mut v) = (Vec::new(), Vec::new());
        sweep
            .run(&problem, |_, x: &[f64], _| {
                v.push(x[0]);
                s.push(x[1]);
            })
            .map_err(Error::experiment)?;
        let spikes = v.last().map_or(0.0, |v| v.floor());
        let last = v.iter().position(|&v| v >= spikes).map_or(0, |n| n + 1);
        // What arrived is s' - s + h s / tau, times tau.
        let mut before = 0.0;
        let received: f64 = s[..last]
            .iter()
            .map(|&s| {
                let q = self.tau * (s - before) + h * before;
                before = s;
                q
            })
            .sum();
        Ok((received / spikes, gradient[network.parameters.layout().range(Group::Bias).start]))
    }
}

fn charge_against_step(report: &mut Report) -> Result<(), Error> {
    let one = One { current: 0.03, width: 0.2, tau: 20.0, duration: 200.0 };
    let steps = [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0];
    let mut split = Vec::new();
    let mut naive = Vec::new();
    for h in steps {
        split.push(one.split(h)?.0);
        naive.push(one.naive(h)?.0);
    }
    let worst = largest(split.iter().map(|q| (q - 1.0).abs()));
    report.figure(
        "charge a spike, charge coordinates, h 0.02-5 ms: largest error",
        worst,
        "",
        Some([0.0, EXACT]),
    );
    report.figure("charge a spike, naive stepping at h = 1 ms", naive[5], "", None);
    report.figure("charge a spike, naive stepping at h = 2.5 ms", naive[6], "", None);

    let mut gradient = Panel::new("Gradient of one neuron")
        .log_x()
        .x_label("h (ms)")
        .y_label("\u{2202}/\u{2202}I of \u{222b} s dt (ms)");
    let fine = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];
    let mut coarse = Vec::new();
    for (k, width) in [0.02, 0.1, 0.3].into_iter().enumerate() {
        let one = One { width, ..one };
        let values = fine.iter().map(|&h| Ok(one.split(h)?.1)).collect::<Result<Vec<_>, Error>>()?;
        let (finest, coarsest) = (values[0], values[values.len() - 1]);
        coarse.push(format!("{:.0} % for \u{394} = {width}", 100.0 * ((coarsest - finest) / finest).abs()));
        gradient = gradient.line(&fine, &values, Style::new(cycle(k)).label(format!("\u{394} = {width}")));
    }
    let panel = Panel::new("Charge a spike")
        .log_x()
        .x_label("h (ms)")
        .y_label("charge")
        .line(&steps, &split, Style::new(BLUE).label("charge coordinates"))
        .line(&steps, &naive, Style::new(VERMILLION).dashed().label("naive"));
    report.heading("What the integration step does");
    report.prose(
        "Stepping <code>g(v) dv/dt</code> as it stands lets the charge of a spike depend on where the steps happen to \
         fall; in charge coordinates it does not. The gradient is another matter: it is always that of the program that is \
         run, and that may be a poor stand-in for the equation where a zone is crossed in fewer than about three steps \
         (narrow gates, large steps). The gradient check reports the share of such crossings.",
    );
    report.plot(
        "step-size",
        "Charge and its gradient against the step.",
        format!(
            "A theta neuron with constant current 0.03/ms over 200 ms. Left: charge delivered per spike, gate width 0.2; in \
             charge coordinates it differs from 1 by at most {worst:.0e}, by naive stepping it is {:.3} at h = 1 ms and {:.3} \
             at 2.5 ms. Right: exact gradient of the discretised program for three gate widths. From h = {} to {} ms it \
             changes by {}.",
            naive[5],
            naive[6],
            fine[0],
            fine[fine.len() - 1],
            coarse.join(", ")
        ),
        Plot::new(2).letters().panel(panel).panel(gradient).render()?,
    );
    Ok(())
}

/// A recurrent network's gradient under both discretisations.
fn gradient_against_step(context: &Context, report: &mut Report) -> Result<(), Error> {
    let (n, samples) = (if context.quick { 20 } else { 80 }, 200);
    let mut network = Network::builder()
        .population(Population::new("theta", Theta::default(), n, GateShape::RaisedCosine, 0.2))
        .synapse("slow", 20.0)
        .synapse("fast", 5.0)
        .inputs(2)
        .outputs(1)
        .build()
        .map_err(Error::experiment)?;
    let mut rng = generator(context.seed, Purpose::Initialisation, 1);
    let mut normal = |scale: f64| {
        let x: f64 = StandardNormal.sample(&mut rng);
        scale * x
    };
    let root = (n as f64).sqrt();
    for class in 0..2 {
        network.parameters.group_mut(Group::Weight(class)).iter_mut().for_each(|w| *w = normal(0.05 / root));
    }
    network.parameters.group_mut(Group::Input).iter_mut().for_each(|u| *u = normal(0.01));
    network.parameters.bias_mut().iter_mut().for_each(|b| *b = 0.003 + normal(0.003));
    network.parameters.group_mut(Group::Readout(0)).iter_mut().for_each(|o| *o = normal(1.0 / root));
    let mut trial = Trial::silent(samples, 1.0, 2);
    for (m, input) in trial.inputs.chunks_exact_mut(2).enumerate() {
        let t = m as f64 * std::f64::consts::TAU / 200.0;
        input.copy_from_slice(&[(2.0 * t).sin(), (3.0 * t).cos()]);
    }
    trial.targets = (0..samples).map(|m| 0.1 * (m as f64 * std::f64::consts::TAU / 100.0).sin()).collect();
    trial.initial = Some(InitialState { x: (0..n).map(|i| i as f64 / n as f64).collect(), s: Vec::new() });
    let loss = QuadraticLoss { lambda: 0.0 };

    // The truth: the plain field with a fine fourth-order method.
    let reference = PlainStep::new(&network, 0.02, tableau::RK4).map_err(Error::experiment)?;
    let mut truth = network.parameters.zeros_like();
    let run = reference.run(&trial, &loss).map_err(Error::experiment)?;
    Sweep::new().gradient(&run, truth.values_mut()).map_err(Error::experiment)?;
    let length = truth.norm(Group::Weight(0));
    let off = |w: &[f64]| -> f64 {
        let difference = w.iter().zip(truth.group(Group::Weight(0))).map(|(a, b)| a - b);
        norm(&difference.collect::<Vec<_>>()) / length
    };

    let steps = [1.0, 0.5, 0.2, 0.1, 0.05];
    let bar = context.bar(steps.len() as u64, "gradient and step");
    let (mut split, mut naive, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for h in steps {
        let scheme = SplitStep::new(&network, h).map_err(Error::experiment)?;
        let mut gradient = network.parameters.zeros_like();
        let run = scheme.run(&trial, &loss).map_err(Error::experiment)?;
        Sweep::new().gradient(&run, gradient.values_mut()).map_err(Error::experiment)?;

        let field = NaiveNetwork::new(&network);
        let mut start = trial.initial.as_ref().map_or_else(Vec::new, |i| i.x.clone());
        start.resize(3 * n, 0.0);
        let cost = naive::Tracking { network: &network, trial: &trial, h };
        let problem = RungeKutta::new(
            tableau::EULER,
            field.driven(&trial, h),
            start,
            h,
            (samples as f64 / h).round() as usize,
            cost,
        )
        .map_err(Error::experiment)?;
        let mut values = vec![0.0; problem.dim() + network.parameters.layout().len()];
        Sweep::new().gradient(&problem, &mut values).map_err(Error::experiment)?;
        let w = &values[network.parameters.layout().range(Group::Weight(0))];
        let naive_norm = norm(w);

        split.push(off(gradient.group(Group::Weight(0))));
        naive.push(off(w));
        rows.push(vec![
            format!("{h}"),
            format!("{:.4}", gradient.norm(Group::Weight(0))),
            format!("{:.3}", split[split.len() - 1]),
            format!("{naive_norm:.4}"),
            format!("{:.3}", naive[naive.len() - 1]),
        ]);
        bar.inc(1);
    }
    bar.finish_and_clear();
    report.figure("gradient of W at h = 1 ms, charge coordinates: relative error", split[0], "", None);
    report.figure("gradient of W at h = 1 ms, naive stepping: relative error", naive[0], "", None);
    report.heading("What the discretisation does to a network's gradient");
    report.prose(
        "Two things must be told apart here. The gradient is exact for the <em>program</em> that is run, whatever its integration step: the \
         gradient check confirms that to nine digits. The figures below compare it with the gradient of the <em>differential equation</em>, which \
         a program of steps only approximates. A large error means that the step is too long for this network, and not that the gradient is wrong.",
    );
    let nearer: Vec<String> =
        (0..steps.len()).filter(|&k| naive[k] < split[k]).map(|k| format!("{}", steps[k])).collect();
    if !nearer.is_empty() {
        report.prose(format!(
            "At h = {} ms naive stepping is the nearer one here: such a step resolves the pulse, and both programs have an error of first \
             order, whose size is a matter of the network. The point is the longer steps, at which naive stepping loses charge and its \
             gradient with it.",
            nearer.join(", ")
        ));
    }
    report.prose(format!(
        "A random network of {n} theta neurons over 200 ms. The truth is the plain field in charge coordinates under \
         RK4 with h = 0.02 ms, |dC/dW| = {length:.4}. From h = {} to {} ms the gradient's relative error goes from {:.3} to {:.3} \
         in charge coordinates, from {:.3} to {:.3} by naive stepping.",
        steps[0],
        steps[steps.len() - 1],
        split[0],
        split[split.len() - 1],
        naive[0],
        naive[naive.len() - 1]
    ));
    report.table(
        "Gradient of the slow recurrent weights.",
        &["h (ms)", "charge coordinates |dC/dW|", "relative error", "naive |dC/dW|", "relative error"],
        rows,
    );
    report.plot(
        "gradient-error",
        "Error of the gradient against the integration step.",
        "The error is the distance from the gradient of the differential equation, relative to its norm. Both lines are exact gradients of the program \
         that is run; they differ in how well the program stands for the equation.",
        Plot::new(1)
            .panel(
                Panel::new("Gradient of W against that of the equation")
                    .log_x()
                    .log_y()
                    .x_label("integration step h (ms)")
                    .y_label("relative error")
                    .line(&steps, &split, Style::new(BLUE).label("charge coordinates"))
                    .line(&steps, &naive, Style::new(VERMILLION).dashed().label("naive")),
            )
            .render()?,
    );
    Ok(())
}
