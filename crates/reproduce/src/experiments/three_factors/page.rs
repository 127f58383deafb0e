//! Figures, tables and the answer in words, which the figures choose.

use spikegrad_report::plot::{BLUE, GREY, ORANGE, Panel, Plot, Style, VERMILLION, cycle};

use super::super::intervals::{Mean, worse};
use super::super::small_tasks::capital;
use super::spikes::{NEAR, Window};
use super::stdp::{EDGES, RULES};
use super::{EARLY, Found, Look, NETWORKS, TRAINED, UNTRAINED};
use crate::Error;
use crate::report::Report;

/// The largest difference between the sum of the three factors' products and the engine's gradient.
const EXACT: [f64; 2] = [0.0, 1e-10];
/// Which of [`NEAR`] the answer speaks of: 2 ms and 10 ms.
const CLOSE: usize = 1;
const FAR: usize = 3;
/// Pairs that a bin of a window must have to be drawn.
const PAIRS: f64 = 50.0;
/// How far from the spike the window is averaged for the answer, ms.
const SIDE: f64 = 20.0;

impl Found {
    /// A figure of all seeds, in the networks of one time of training.
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
        let side = |from: f64, to: f64| self.mean(TRAINED, |look| look.window.mean(sign, from, to));
        [side(-SIDE, 0.0), side(0.0, SIDE)]
    }
}

fn answer(found: &[Found]) -> Vec<String> {
    found.iter().flat_map(|one| [near_in_words(one), window_in_words(one), caught_in_words(one)]).collect()
}

/// Where the gradient lies.
fn near_in_words(found: &Found) -> String {
    let share = |at: usize, part: usize| found.mean(TRAINED, |look| look.near.shares()[at][part]);
    let word = |at: usize| match share(at, 0).mean / share(at, 2).mean {
        ratio if ratio >= 1.25 => "more",
        ratio if ratio <= 0.8 => "less",
        _ => "about as much",
    };
    let figures = |at: usize| {
        format!(
            "{} of the size of the gradient lies within {} ms of a spike of the postsynaptic neuron, {} than time would have it ({})",
            share(at, 0),
            NEAR[at],
            word(at),
            share(at, 2)
        )
    };
    let close = figures(CLOSE).replace("about as much than time would have it", "about as much as time has");
    let far = figures(FAR).replace("about as much than time would have it", "about as much as time has");
    format!("<b>{}, {}.</b> {}; {far}.", capital(found.small.name), found.weights(), capital(&close))
}

/// What shape the changes of both orders have, as far as the intervals over the seeds say so.
fn shape(sides: [Mean; 2]) -> &'static str {
    match sides.map(sign) {
        [Some(false), Some(true)] => "has the signs of the classical window",
        [Some(true), Some(false)] => "has the signs of the classical window reversed",
        [Some(true), Some(true)] => "strengthens the synapse in both orders",
        [Some(false), Some(false)] => "weakens the synapse in both orders",
        [Some(true), None] => {
            "strengthens the synapse where the postsynaptic spike comes first, and has no certain sign in the other order"
        }
        [Some(false), None] => {
            "weakens the synapse where the postsynaptic spike comes first, and has no certain sign in the other order"
        }
        [None, Some(true)] => {
            "strengthens the synapse where the presynaptic spike comes first, and has no certain sign in the other order"
        }
        [None, Some(false)] => {
            "weakens the synapse where the presynaptic spike comes first, and has no certain sign in the other order"
        }
        [None, None] => "has no certain sign in either order",
    }
}

/// Whether a mean is positive; none where its interval over the seeds has both signs, or there is no interval.
fn sign(mean: Mean) -> Option<bool> {
    (mean.mean.abs() > mean.half).then_some(mean.mean > 0.0)
}

/// The change of a weight by the order of two spikes, in words.
fn window_in_words(found: &Found) -> String {
    let (should, should_not) = (found.sides(0), found.sides(1));
    format!(
        "Where the postsynaptic neuron is told to fire more, the mean change {}: {} with the postsynaptic spike up to {SIDE} ms before the \
         presynaptic one and {} with it after; where the neuron is told to fire less, the change {}: {} and {} (root mean squares of all changes).",
        shape(should),
        should[0],
        should[1],
        shape(should_not),
        should_not[0],
        should_not[1],
    )
}

/// What rules catch, early in training and after it.
fn caught_in_words(found: &Found) -> String {
    let rule = |network: usize, k: usize| found.mean(network, |look| look.caught.cosines[k]);
    // The best of the rules of pairs, early in training.
    let pairs = 0..RULES.len() - 1;
    let known = pairs.filter(|&k| rule(EARLY, k).mean.is_finite());
    let best = known.max_by(|&a, &b| rule(EARLY, a).mean.total_cmp(&rule(EARLY, b).mean)).unwrap_or_default();
    let beyond_chance = |network: usize| {
        found
            .looks
            .iter()
            .all(|all| all[network].caught.cosines[best] > all[network].caught.shuffled[best][1])
    };
    let words = match rule(EARLY, best).mean {
        cosine if cosine >= 0.7 => "catches most",
        cosine if cosine >= 0.4 => "catches a part",
        cosine if cosine >= 0.15 => "catches little",
        _ => "catches next to nothing",
    };
    let chance = |network: usize| if beyond_chance(network) { "above" } else { "not above" };
    let halves = |network: usize| found.mean(network, |look| look.caught.halves);
    let limit = match halves(TRAINED).mean {
        cosine if cosine >= 0.8 => "there, too, the gradient is much the same for both halves",
        cosine if cosine >= 0.5 => "there the halves agree in part",
        cosine if cosine < 0.5 => "there the mean gradient is mostly noise, of which no rule can catch much",
        _ => "there the halves have no cosine",
    };
    format!(
        "Early in training, the best rule of pairs of spikes with a third factor ({}) {words} of the gradient: its cosine is {}, {} all \
         shuffled controls in every seed, where the gradients of both halves of the trials have {}; the classical window with a reward has {}. After \
         training the best rule has {}, {} the controls, and the halves have {}: {limit}. In the untrained network the rule has {}.",
        RULES[best],
        rule(EARLY, best),
        chance(EARLY),
        halves(EARLY),
        rule(EARLY, 0),
        rule(TRAINED, best),
        chance(TRAINED),
        halves(TRAINED),
        rule(UNTRAINED, best),
    )
}

/// Writes all.
pub(super) fn write(report: &mut Report, found: &[Found]) -> Result<(), Error> {
    for sentence in answer(found) {
        report.answer(sentence);
    }
    report.heading("The three factors").prose(
        "The exact gradient of a recurrent weight is a sum over steps of the presynaptic trace <i>s<sub>j</sub></i>, the sensitivity \
         <i>d<sub>I</sub>f</i> of the postsynaptic neuron to a current, and the error <i>p<sub>v</sub></i> that the adjoint brings back to it. The \
         first two are known at the synapse. The sensitivity of an integrator is one; that of a theta neuron is 1 - cos 2\u{3c0}v, nothing at \
         a spike and largest half-way between two. Each trial is clipped at the median norm.",
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
            let near = |part: usize| one.mean(network, |look| look.near.shares()[FAR][part]).mean;
            let within = format!("{name}, {which}: within {} ms of a postsynaptic spike", NEAR[FAR]);
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
        let charge = one.mean(TRAINED, |look| look.window.by_spikes()).mean;
        report.figure(format!("{name}, trained: share of charge that belongs to a spike"), charge, "", None);
    }
}

/// Shares near spikes.
fn shares(report: &mut Report, found: &Found) -> Result<(), Error> {
    let mut plot = Plot::new(3).letters();
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
        let row =
            [TRAINED, UNTRAINED].into_iter().flat_map(|network| (0..3).map(move |part| share(network, part)));
        std::iter::once(near.to_string()).chain(row).collect()
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
    let mut plot = Plot::new(3).letters();
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
            found.mean(TRAINED, |look| look.window.by_spikes()),
        ),
        plot.size(1000.0, 320.0).render()?,
    );
    Ok(())
}

/// What rules of plasticity catch.
fn rules(report: &mut Report, found: &Found) -> Result<(), Error> {
    let cosines = |network: usize, k: usize| found.mean(network, |look| look.caught.cosines[k]).to_string();
    let rows = RULES.iter().enumerate().map(|(k, rule)| {
        let shuffled = found.of(EARLY, |look| look.caught.shuffled[k][1]).into_iter().fold(0.0, f64::max);
        let mut row = vec![(*rule).to_owned()];
        row.extend([UNTRAINED, EARLY, TRAINED].map(|network| cosines(network, k)));
        row.push(found.mean(EARLY, |look| look.caught.shuffled[k][0]).to_string());
        row.push(format!("{shuffled:.3}"));
        row
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    let mut last = vec!["the gradient of the other trials".to_owned()];
    last.extend([UNTRAINED, EARLY, TRAINED].map(|at| found.mean(at, |look| look.caught.halves).to_string()));
    last.extend([String::new(), String::new()]);
    rows.push(last);
    let trials = found.of(TRAINED, |look| look.trials as f64).into_iter().fold(f64::INFINITY, f64::min);
    report.table(
        format!(
            "Cosine of the change by each rule with the step against the exact gradient of half of at least {trials} trials, with 95 % confidence \
             intervals over seeds; windows are fitted on the other half. Shuffled: rewards among trials, errors among neurons, 10 times."
        ),
        &["rule", NETWORKS[UNTRAINED], NETWORKS[EARLY], NETWORKS[TRAINED], "early, shuffled: mean", "largest size"],
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
            let window = &both[EARLY].caught.windows[which];
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
        "The windows of the two fitted rules early in training, one line a seed. Where they differ between seeds, no window is that of the \
         gradient.",
        plot.size(1000.0, 300.0).render()?,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_is_claimed_by_the_interval_and_not_by_the_mean() {
        let of = |values: [[f64; 3]; 2]| shape(values.map(|values| Mean::of(&values)));
        let (up, down, both) = ([1.0, 1.1, 0.9], [-1.0, -1.1, -0.9], [2.0, 2.1, -0.9]);
        assert_eq!(of([down, up]), "has the signs of the classical window");
        assert_eq!(of([up, down]), "has the signs of the classical window reversed");
        assert_eq!(of([up, up]), "strengthens the synapse in both orders");
        assert_eq!(of([down, down]), "weakens the synapse in both orders");
        // The mean of the last three is positive.
        assert_eq!(of([both, both]), "has no certain sign in either order");
        assert!(of([down, both]).starts_with("weakens the synapse where the postsynaptic spike comes first"));
        assert_eq!(sign(Mean::of(&[1.0])), None);
    }
}
