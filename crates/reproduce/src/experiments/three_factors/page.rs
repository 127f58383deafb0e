//! Figures, tables and the answer in words, which the figures choose.

use spikegrad_report::plot::{BLUE, GREY, ORANGE, Panel, Plot, Style, VERMILLION, cycle};

use super::super::intervals::{Mean, worse};
use super::spikes::{NEAR, Window};
use super::stdp::{EDGES, RULES};
use super::{Found, Look, NETWORKS};
use crate::Error;
use crate::report::Report;

/// The largest difference between the sum of the three factors' products and the engine's gradient.
const EXACT: [f64; 2] = [0.0, 1e-10];
/// Which of [`NEAR`] the answer speaks of: 5 ms.
const SPOKEN: usize = 2;
/// Pairs that a bin of a window must have to be drawn.
const PAIRS: f64 = 50.0;
/// How far from the spike the window is averaged for the answer, ms.
const SIDE: f64 = 20.0;

impl Found {
    /// A figure of all seeds, in the networks before or after training.
    fn of(&self, network: usize, figure: impl Fn(&Look) -> f64) -> Vec<f64> {
        self.looks.iter().map(|both| figure(&both[network])).collect()
    }

    fn mean(&self, network: usize, figure: impl Fn(&Look) -> f64) -> Mean {
        Mean::of(&self.of(network, figure))
    }

    /// The name of the weights.
    fn weights(&self) -> &'static str {
        let recurrent = spikegrad::network::Group::Weight(self.small.recurrent);
        let found = self.small.groups.iter().find(|(group, _)| *group == recurrent);
        found.map_or("W", |(_, name)| name)
    }

    /// The mean changes before and after the presynaptic spike, by the sign of the error: post before pre, and pre before post.
    fn sides(&self, sign: usize) -> [Mean; 2] {
        let side = |from: f64, to: f64| self.mean(1, |look| look.window.mean(sign, from, to));
        [side(-SIDE, 0.0), side(0.0, SIDE)]
    }
}

fn answer(found: &[Found]) -> Vec<String> {
    found.iter().flat_map(|one| [near_in_words(one), window_in_words(one), caught_in_words(one)]).collect()
}

/// Where the gradient lies.
fn near_in_words(found: &Found) -> String {
    let share = |part: usize| found.mean(1, |look| look.near.shares()[SPOKEN][part]);
    let (size, signed, time) = (share(0), share(1), share(2));
    let words = match size.mean / time.mean {
        ratio if ratio >= 1.25 => "The gradient is concentrated near postsynaptic spikes",
        ratio if ratio <= 0.8 => "The gradient avoids postsynaptic spikes",
        _ => "The gradient does not keep to postsynaptic spikes",
    };
    format!(
        "<b>{}, {}.</b> {words}: {size} of its size, and {signed} of the gradient in its own direction, lies within {} ms of a spike of the \
         postsynaptic neuron, which is {time} of the time.",
        capital(found.small.name),
        found.weights(),
        NEAR[SPOKEN],
    )
}

/// What shape the change has.
fn window_in_words(found: &Found) -> String {
    let (should, should_not) = (found.sides(0), found.sides(1));
    let is_like_stdp = |sides: &[Mean; 2]| sides[0].mean < 0.0 && sides[1].mean > 0.0;
    let is_reversed = |sides: &[Mean; 2]| sides[0].mean > 0.0 && sides[1].mean < 0.0;
    let shape = |sides: &[Mean; 2]| match sides {
        sides if is_like_stdp(sides) => "has the signs of the classical window",
        sides if is_reversed(sides) => "has the signs of the classical window reversed",
        [before, after] if before.mean > 0.0 && after.mean > 0.0 => "strengthens the synapse in both orders",
        [before, after] if before.mean < 0.0 && after.mean < 0.0 => "weakens the synapse in both orders",
        _ => "has no sign that it can be told by",
    };
    format!(
        "Where the postsynaptic neuron is told to fire more, the mean change {}: {} with the postsynaptic spike up to {SIDE} ms before the \
         presynaptic one and {} with it after; where the neuron is told to fire less, the change {}: {} and {} (root mean squares of all changes).",
        shape(&should),
        should[0],
        should[1],
        shape(&should_not),
        should_not[0],
        should_not[1],
    )
}

/// What rules catch.
fn caught_in_words(found: &Found) -> String {
    let rule = |k: usize| found.mean(1, |look| look.caught.cosines[k]);
    let pairs = 0..RULES.len() - 1;
    let best = pairs.max_by(|&a, &b| rule(a).mean.total_cmp(&rule(b).mean)).unwrap_or_default();
    let beyond_chance =
        |k: usize| found.looks.iter().all(|both| both[1].caught.cosines[k] > both[1].caught.shuffled[k][1]);
    let words = match rule(best).mean {
        cosine if cosine >= 0.7 => "catches most",
        cosine if cosine >= 0.4 => "catches a part",
        cosine if cosine >= 0.15 => "catches little",
        _ => "catches next to nothing",
    };
    let chance = if beyond_chance(best) { "above" } else { "not above" };
    format!(
        "The best rule of pairs of spikes with a third factor ({}) {words} of the gradient: its cosine is {}, {chance} all shuffled controls in \
         every seed; the classical window with a reward has {}. The gradients of both halves of the trials have {}, an untrained network {}.",
        RULES[best],
        rule(best),
        rule(0),
        found.mean(1, |look| look.caught.halves),
        found.mean(0, |look| look.caught.cosines[best]),
    )
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Writes all.
pub(super) fn write(report: &mut Report, found: &[Found]) -> Result<(), Error> {
    report.heading("Answer");
    for sentence in answer(found) {
        report.prose(sentence);
    }
    report.heading("The three factors").prose(
        "The exact gradient of a recurrent weight is a sum over steps of the presynaptic trace <i>s<sub>j</sub></i>, the sensitivity \
         <i>d<sub>I</sub>f</i> of the postsynaptic neuron to a current, and the error <i>p<sub>v</sub></i> that the adjoint brings back to it. The \
         first two are known at the synapse. The sensitivity of an integrator is one; that of a theta neuron is 1 - cos 2&#960;v, nothing at \
         a spike and largest half-way between two. Each trial counts as in training: clipped at the median norm.",
    );
    figures(report, found);
    for one in found {
        report.heading(format!("{}, {}", capital(one.small.name), one.weights()));
        shares(report, one)?;
        windows(report, one)?;
        rules(report, one)?;
    }
    Ok(())
}

fn figures(report: &mut Report, found: &[Found]) {
    for one in found {
        let name = one.small.name;
        let error = one.looks.iter().flatten().map(|look| look.error).fold(0.0, worse);
        report.figure(
            format!(
                "{name}: sum of the three factors against the engine's gradient, largest relative difference"
            ),
            error,
            "",
            Some(EXACT),
        );
        let score = if one.small.is_better_above { [0.8, 1.0] } else { [0.0, 0.2] };
        for (k, value) in one.scores.iter().enumerate() {
            report.figure(format!("{name}: {}, seed + {k}", one.small.score), *value, "", Some(score));
        }
        for (network, which) in NETWORKS.into_iter().enumerate() {
            let near = |part: usize| one.mean(network, |look| look.near.shares()[SPOKEN][part]).mean;
            let within = format!("{name}, {which}: within {} ms of a postsynaptic spike", NEAR[SPOKEN]);
            report
                .figure(format!("{within}, share of the gradient's size"), near(0), "", None)
                .figure(format!("{within}, share of the gradient"), near(1), "", None)
                .figure(format!("{within}, share of time"), near(2), "", None)
                .figure(
                    format!("{name}, {which}: mean rate"),
                    one.mean(network, |look| look.rate).mean,
                    "Hz",
                    None,
                );
            for (k, rule) in RULES.into_iter().enumerate() {
                let cosine = one.mean(network, |look| look.caught.cosines[k]).mean;
                report.figure(format!("{name}, {which}: cosine, {rule}"), cosine, "", None);
            }
        }
        let charge = one.mean(1, |look| look.window.by_spikes()).mean;
        report.figure(format!("{name}, trained: share of charge that belongs to a spike"), charge, "", None);
    }
}

/// Shares near spikes.
fn shares(report: &mut Report, found: &Found) -> Result<(), Error> {
    let mut plot = Plot::new(2).letters();
    for (network, which) in NETWORKS.into_iter().enumerate() {
        let mut panel = Panel::new(capital(which))
            .x_label("within so many ms of a postsynaptic spike")
            .y_label("share")
            .log_x();
        let parts =
            [("size of the gradient", BLUE), ("gradient in its own direction", VERMILLION), ("time", GREY)];
        for (part, (name, colour)) in parts.into_iter().enumerate() {
            let means: Vec<f64> = (0..NEAR.len())
                .map(|k| found.mean(network, |look| look.near.shares()[k][part]).mean)
                .collect();
            let style = Style::new(colour).label(name);
            panel = panel.line(&NEAR, &means, if part == 2 { style.dashed() } else { style });
        }
        let ticks = [(1.0, "1"), (2.0, "2"), (5.0, "5"), (10.0, "10"), (20.0, "20")];
        plot = plot.panel(panel.x_ticks(&ticks));
    }
    report.plot(
        &format!("{}-near", found.small.key),
        "Near postsynaptic spikes.",
        "The share of the products of the three factors, of the gradient and of time that lies within some time of a spike of the postsynaptic \
         neuron, means over seeds. Where the lines are one, spikes do not matter. The gradient in its own direction is the part of the sum, \
         projected on all of it.",
        plot.size(900.0, 300.0).render()?,
    );
    let rows = NEAR.iter().enumerate().map(|(k, near)| {
        let share =
            |network: usize, part: usize| found.mean(network, |look| look.near.shares()[k][part]).to_string();
        vec![near.to_string(), share(1, 0), share(1, 1), share(1, 2), share(0, 0), share(0, 1), share(0, 2)]
    });
    report.table(
        "The same in numbers, with 95 % confidence intervals over seeds.",
        &[
            "within (ms)",
            "trained: size",
            "trained: gradient",
            "trained: time",
            "untrained: size",
            "untrained: gradient",
            "untrained: time",
        ],
        rows.collect(),
    );
    Ok(())
}

/// Windows of pairs.
fn windows(report: &mut Report, found: &Found) -> Result<(), Error> {
    let mut plot = Plot::new(2).letters();
    for (network, which) in NETWORKS.into_iter().enumerate() {
        let mut all = Window::new();
        found.looks.iter().for_each(|both| all.merge(&both[network].window));
        let mut panel = Panel::new(capital(which))
            .x_label("from presynaptic to nearest postsynaptic spike (ms)")
            .y_label("mean change / r.m.s.")
            .when_empty("too few pairs of spikes")
            .hline(0.0)
            .vline(0.0);
        for (sign, (name, colour)) in
            [("told to fire more", BLUE), ("told to fire less", ORANGE)].into_iter().enumerate()
        {
            let means = all.means(sign, PAIRS);
            let column = |of: &dyn Fn(&[f64; 3]) -> f64| -> Vec<f64> { means.iter().map(of).collect() };
            let x = column(&|at| at[0]);
            panel = panel
                .area(
                    &x,
                    &column(&|at| at[1] - 2.0 * at[2]),
                    &column(&|at| at[1] + 2.0 * at[2]),
                    Style::new(colour),
                )
                .line(&x, &column(&|at| at[1]), Style::new(colour).label(name));
        }
        plot = plot.panel(panel);
    }
    report.plot(
        &format!("{}-window", found.small.key),
        "The change of a weight by the time between two spikes.",
        format!(
            "What the charge of one presynaptic spike changes in a step against the gradient, by the time to the nearest spike of the \
             postsynaptic neuron, over all pairs of all seeds; bands are two standard errors over pairs, which are not independent. A neuron is \
             told to fire more where a unit of its charge, at its spike, would lower the squared error by way of the readout. {} of the charge \
             of the trained networks belongs to a spike; the rest is of voltages that enter the zone and leave it.",
            found.mean(1, |look| look.window.by_spikes()),
        ),
        plot.size(1000.0, 320.0).render()?,
    );
    Ok(())
}

/// What rules of plasticity catch.
fn rules(report: &mut Report, found: &Found) -> Result<(), Error> {
    let rows = RULES.iter().enumerate().map(|(k, rule)| {
        let of = |network: usize| found.mean(network, |look| look.caught.cosines[k]).to_string();
        let shuffled = |part: usize| found.of(1, |look| look.caught.shuffled[k][part]);
        let most = shuffled(1).into_iter().fold(0.0, f64::max);
        vec![(*rule).to_owned(), of(1), Mean::of(&shuffled(0)).to_string(), format!("{most:.3}"), of(0)]
    });
    let halves = |network: usize| found.mean(network, |look| look.caught.halves).to_string();
    let mut rows: Vec<Vec<String>> = rows.collect();
    rows.push(vec![
        "the gradient of the other trials".into(),
        halves(1),
        String::new(),
        String::new(),
        halves(0),
    ]);
    let trials = found.of(1, |look| look.trials as f64).into_iter().fold(f64::INFINITY, f64::min);
    report.table(
        format!(
            "Cosine of the change by each rule with the step against the exact gradient of half of at least {trials} trials, with 95 % confidence \
             intervals over seeds; windows are fitted on the other half. Shuffled: rewards among trials, errors among neurons, 10 times."
        ),
        &["rule", "trained", "shuffled, mean", "shuffled, largest size", "untrained"],
        rows,
    );
    let middles: Vec<f64> = EDGES.windows(2).map(|pair| 0.5 * (pair[0] + pair[1])).collect();
    let mut plot = Plot::new(2).letters();
    for (which, name) in ["reward", "error of the neuron"].into_iter().enumerate() {
        let mut panel = Panel::new(format!("Fitted with the {name}"))
            .x_label("from pre- to postsynaptic spike (ms)")
            .y_label("window / largest")
            .when_empty("no pair of spikes to fit")
            .hline(0.0)
            .vline(0.0);
        for (k, both) in found.looks.iter().enumerate() {
            let window = &both[1].caught.windows[which];
            let largest = window.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            let scaled: Vec<f64> = window.iter().map(|x| x / largest).collect();
            panel = panel.line(
                &middles[..scaled.len()],
                &scaled,
                Style::new(cycle(k)).label(format!("seed + {k}")),
            );
        }
        plot = plot.panel(panel);
    }
    report.plot(
        &format!("{}-fitted", found.small.key),
        "Windows that fit the gradient best.",
        "The windows of the two fitted rules in the trained networks, one line a seed. Where they differ between seeds, no window is that of the \
         gradient.",
        plot.size(1000.0, 300.0).render()?,
    );
    Ok(())
}
