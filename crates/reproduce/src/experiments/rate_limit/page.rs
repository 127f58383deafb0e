//! The page of the limit of high rates: figures, an answer in words that are chosen by them, tables and plots.

use spikegrad_report::plot::{BLACK, Panel, Plot, Style, cycle};

use super::measure::{Beside, OfSeed};
use crate::Error;
use crate::experiments::dial::GROUPS;
use crate::experiments::intervals::{Mean, worse};
use crate::experiments::statistics::order;
use crate::report::Report;

/// The most that the dial at 1 may differ from the rate network.
const EQUAL: [f64; 2] = [0.0, 1e-10];
/// The most that the rate network's gradient may differ from central differences, whose own error is of this order.
const DIFFERENCES: [f64; 2] = [0.0, 1e-6];
/// The order of convergence in 1 / k.
const FIRST_ORDER: [f64; 2] = [0.8, 1.2];
/// What a difference is called small by.
const SMALL: f64 = 0.05;
/// A sweep, of all seeds.
type Of = fn(&OfSeed) -> &[(f64, Beside)];
/// A figure of a point of a sweep.
type Value = fn(&Beside) -> f64;

const TRAINED_WIDTHS: Of = |seed| &seed.widths[1];
const START_WIDTHS: Of = |seed| &seed.widths[0];
const POSITIVE: Of = |seed| &seed.positive;
const MIXED: Of = |seed| &seed.mixed;

/// Writes the page.
pub(super) fn write(
    report: &mut Report,
    all: &[OfSeed],
    trained: &[String],
    run_in: &[String],
) -> Result<(), Error> {
    let claims = Claims::new(all);
    claims.figures(report, all);
    claims.sentences(all, run_in).into_iter().for_each(|sentence| {
        report.answer(sentence);
    });
    widths(report, all)?;
    small_spikes(report, all)?;
    conversion(report, all, trained, run_in);
    Ok(())
}

/// A mean over seeds with its interval.
fn mean(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let Mean { mean, half } = Mean::of(&values.collect::<Vec<_>>());
    (mean, half)
}

/// A point of a sweep, as the mean over seeds.
fn at(all: &[OfSeed], of: Of, index: usize, value: impl Fn(&Beside) -> f64) -> (f64, f64) {
    mean(all.iter().map(|seed| of(seed).get(index).map_or(f64::NAN, |(_, beside)| value(beside))))
}

/// The point of a sweep at `x`, as the mean over seeds; not a number if the sweep has no such point.
fn at_value(all: &[OfSeed], of: Of, x: f64, value: impl Fn(&Beside) -> f64) -> f64 {
    let index = all.first().and_then(|seed| of(seed).iter().position(|(found, _)| *found == x));
    index.map_or(f64::NAN, |index| at(all, of, index, value).0)
}

/// The order of convergence of each seed in 1 / k, over the larger two thirds of the points.
fn orders(all: &[OfSeed], of: Of, value: impl Fn(&Beside) -> f64) -> Vec<f64> {
    all.iter()
        .map(|seed| {
            let points: Vec<(f64, f64)> =
                of(seed).iter().map(|(k, beside)| (1.0 / k, value(beside))).collect();
            order(&points[points.len() / 3..])
        })
        .collect()
}

/// What the page claims.
struct Claims {
    output: f64,
    gradient: f64,
    differences: f64,
    orders: [Vec<f64>; 2],
}

impl Claims {
    fn new(all: &[OfSeed]) -> Self {
        let most = |value: fn(&super::measure::Equality) -> f64| {
            all.iter().flat_map(|seed| &seed.equality).map(value).fold(0.0, worse)
        };
        Self {
            output: most(|e| e.output),
            gradient: most(|e| e.gradient),
            differences: most(|e| e.differences),
            orders: [orders(all, POSITIVE, |b| b.output), orders(all, POSITIVE, |b| b.gradient[0])],
        }
    }

    fn figures(&self, report: &mut Report, all: &[OfSeed]) {
        let currents = all.iter().flat_map(|seed| &seed.equality).map(|e| e.currents);
        let least = currents.clone().map(|[least, _]| least).fold(f64::NEG_INFINITY, f64::max);
        let most = currents.map(|[_, most]| most).fold(f64::INFINITY, f64::min);
        report
            .figure("width 1 against the rate network: outputs", self.output, "", Some(EQUAL))
            .figure("width 1 against the rate network: gradients", self.gradient, "", Some(EQUAL))
            .figure(
                "rate network: gradient against central differences",
                self.differences,
                "",
                Some(DIFFERENCES),
            )
            .figure("least current of these trials, largest over seeds", least, "1/ms", Some([-100.0, -0.01]))
            .figure("largest current of these trials, least over seeds", most, "1/ms", Some([0.01, 100.0]));
        for (at, seed) in all.iter().enumerate() {
            let of = format!("seed {}, small spikes, positive currents", seed.seed);
            report
                .figure(
                    format!("{of}: least current"),
                    seed.positive_currents[0],
                    "1/ms",
                    Some([1e-9, 100.0]),
                )
                .figure(format!("{of}: order of outputs in 1/k"), self.orders[0][at], "", Some(FIRST_ORDER))
                .figure(
                    format!("{of}: order of gradients in 1/k"),
                    self.orders[1][at],
                    "",
                    Some(FIRST_ORDER),
                );
        }
        let list = |of: Of| {
            all.first().map_or(Vec::new(), |seed| of(seed).iter().map(|(x, _)| *x).collect::<Vec<_>>())
        };
        for (index, width) in list(TRAINED_WIDTHS).into_iter().enumerate() {
            let figures: [(&str, &str, Value); 6] = [
                ("output", "", |b| b.output),
                ("cost", "", |b| b.cost),
                ("gradient by W_f", "", |b| b.gradient[0]),
                ("bias of the gradient by W_f", "", |b| b.bias[0]),
                ("scatter of the gradient by W_f", "", |b| b.scatter[0]),
                ("spikes", "Hz", |b| b.rate),
            ];
            for (name, unit, value) in figures {
                let (mean, _) = at(all, TRAINED_WIDTHS, index, value);
                report.figure(format!("trained weights, width {width}: {name}"), mean, unit, None);
            }
        }
        for (index, k) in list(MIXED).into_iter().enumerate() {
            let (mean, _) = at(all, MIXED, index, |b| b.gradient[0]);
            report.figure(format!("both signs, k = {k}: gradient by W_f"), mean, "", None);
        }
        let ks = all.first().map_or(Vec::new(), |seed| seed.paper.iter().map(|one| one.k).collect());
        for (index, k) in ks.into_iter().enumerate() {
            let of = |value: fn(&super::measure::PaperLimit) -> f64| {
                mean(all.iter().map(|s| value(&s.paper[index]))).0
            };
            report
                .figure(
                    format!("the paper's neuron, k = {k}: from threshold-linear units"),
                    of(|p| p.threshold_linear),
                    "",
                    None,
                )
                .figure(
                    format!("the paper's neuron, k = {k}: from running maxima"),
                    of(|p| p.running_maximum),
                    "",
                    None,
                )
                .figure(
                    format!("rectified neuron, k = {k}: from threshold-linear units"),
                    of(|p| p.rectified),
                    "",
                    None,
                );
        }
    }

    /// The answer, in words that the figures choose.
    fn sentences(&self, all: &[OfSeed], run_in: &[String]) -> Vec<String> {
        let is_equal = self.output <= EQUAL[1] && self.gradient <= EQUAL[1];
        let first = format!(
            "<b>A spiking neuron {} a rate unit.</b> With a floor, rises alone releasing charge and a gate as wide as the cycle, outputs \
             differ from those of threshold-linear units by {:.1e} of the largest and gradients by {:.1e} of their norm, for currents of \
             both signs, before and after training.{}",
            if is_equal { "can be" } else { "was not found to be" },
            self.output,
            self.gradient,
            if is_equal {
                " So a rate network and a spiking one are two settings of one number, the gate's width."
            } else {
                ""
            }
        );
        let last = |of: Of| all.first().map_or(0, |seed| of(seed).len().saturating_sub(1));
        let narrow = last(TRAINED_WIDTHS);
        let width =
            all.first().and_then(|seed| seed.widths[1].get(narrow)).map_or(f64::NAN, |(width, _)| *width);
        let of = |value: fn(&Beside) -> f64| at(all, TRAINED_WIDTHS, narrow, value).0;
        let (output, bias, scatter) = (of(|b| b.output), of(|b| b.bias[0]), of(|b| b.scatter[0]));
        let second = format!(
            "<b>Outputs {} when the gate narrows, single gradients {}.</b> With the weights of a trained rate network and a gate of {width} \
             the output is {:.0} % away. The gradient by the recurrent weights scatters over initial phases by {} times the norm \
             of the rate network's gradient; its mean over phases is {} times that norm away, which is {}.",
            if output < 0.3 { "stay near" } else { "move far" },
            if scatter > SMALL { "do not" } else { "stay near, too" },
            100.0 * output,
            sized(scatter),
            sized(bias),
            if bias < 0.5 * scatter {
                "less than half of the scatter: noise first, bias second"
            } else {
                "no small part of it: narrow gates have a bias, too"
            }
        );
        let order = |k: usize| self.orders[k].iter().sum::<f64>() / self.orders[k].len() as f64;
        let [outputs, gradients] = [order(0), order(1)];
        let is_first = |order: f64| (FIRST_ORDER[0]..=FIRST_ORDER[1]).contains(&order);
        let end = last(MIXED);
        let most_k = all.first().and_then(|seed| seed.mixed.get(end)).map_or(f64::NAN, |(k, _)| *k);
        let of_mixed = |value: fn(&Beside) -> f64| at(all, MIXED, end, value).0;
        let (left, mixed_output) = (of_mixed(|b| b.gradient[0]), of_mixed(|b| b.output));
        let third = format!(
            "<b>Small spikes {} a rate in the output; in the gradient {}.</b> With threshold and charge divided by k and positive currents, \
             outputs converge with order {outputs:.2} in 1/k and gradients with order {gradients:.2}: {}. With currents of both signs the \
             output is {:.1} % away at k = {most_k}, and the gradient of one trial still {left:.2} times its norm, {}",
            if is_first(outputs) { "are" } else { "are not shown to be" },
            if left <= SMALL { "as well" } else { "not where currents change their sign" },
            if is_first(outputs) && is_first(gradients) { "order 1 in both" } else { "not order 1 in both" },
            100.0 * mixed_output,
            if left <= SMALL {
                "which is small."
            } else {
                "because the phase at which a rise ends decides whether the gate is open there, however small the spikes are."
            }
        );
        let paper: Vec<_> = all.iter().filter_map(|seed| seed.paper.last()).collect();
        let of_paper = |value: fn(&super::measure::PaperLimit) -> f64| mean(paper.iter().map(|p| value(p))).0;
        let (linear, maximum) = (of_paper(|p| p.threshold_linear), of_paper(|p| p.running_maximum));
        let k = paper.first().map_or(f64::NAN, |p| p.k);
        let fourth = format!(
            "<b>The paper's own neuron {} the threshold-linear network as its limit.</b> It has no floor and withdraws charge: at k = {k} its \
             output is {:.1} % away from threshold-linear units and {:.1} % from running maxima of the integrated current.{}",
            if linear < SMALL {
                "has"
            } else if maximum < linear {
                "does not have"
            } else {
                "is not shown to have"
            },
            100.0 * linear,
            100.0 * maximum,
            if maximum < linear {
                " 'The high firing-rate limit' without a word on the floor hides this."
            } else {
                ""
            }
        );
        let error = |row: usize, column: usize| mean(all.iter().map(|seed| seed.conversion[row][column])).0;
        let (own, there, back, own_spiking) = (error(0, 0), error(0, 2), error(2, 0), error(2, 2));
        let (slow, fast) =
            (at_value(all, TRAINED_WIDTHS, 1.0, |b| b.ms), at_value(all, TRAINED_WIDTHS, 0.1, |b| b.ms));
        let word = |converted: f64, own: f64| {
            if converted < 1.1 * own {
                "loses nothing to speak of"
            } else if converted < 2.0 * own {
                "loses some"
            } else if converted >= 2.0 * own {
                "at least doubles the error"
            } else {
                "has no error to compare"
            }
        };
        let fifth = format!(
            "<b>Conversion: from rate to spikes {}, from spikes to rate {}.</b> The trained rate network has a normalised error of {own:.3} and, run \
             as '{}', {there:.3}; the network trained with spikes has {own_spiking:.3} and, run as a rate network, {back:.3}. A gradient \
             takes {slow:.2} ms of CPU time as a rate network and {fast:.2} ms at width 0.1.",
            word(there, own),
            word(back, own_spiking),
            run_in.get(2).map_or("", String::as_str)
        );
        vec![first, second, third, fourth, fifth]
    }
}

/// A number that may be very large.
fn sized(x: f64) -> String {
    if x < 1000.0 { format!("{x:.2}") } else { format!("{x:.1e}") }
}

/// A number with its interval over seeds.
fn with_interval((mean, half): (f64, f64)) -> String {
    if half.is_finite() && mean < 1000.0 {
        format!("{mean:.3} ± {half:.3}")
    } else if mean < 1000.0 {
        format!("{mean:.3}")
    } else {
        sized(mean)
    }
}

fn widths(report: &mut Report, all: &[OfSeed]) -> Result<(), Error> {
    report.heading("The gate's width").prose(
        "The same weights, signals and step with gates from the whole cycle (1, a rate network) to a narrow one. Every signal is run from \
         several random initial voltages: the mean of the gradient over them, less what their number leaves of its scatter, is the bias; the \
         root mean square distance from the mean is the scatter. Both are parts of the norm of the rate network's gradient.",
    );
    let Some(first) = all.first() else { return Ok(()) };
    for (of, name) in
        [(START_WIDTHS, "weights at the start"), (TRAINED_WIDTHS, "weights of the trained rate network")]
    {
        let rows = of(first).iter().enumerate().map(|(index, (width, _))| {
            let cell = |value: fn(&Beside) -> f64| with_interval(at(all, of, index, value));
            vec![
                width.to_string(),
                cell(|b| b.output),
                cell(|b| b.cost),
                cell(|b| b.bias[0]),
                cell(|b| b.scatter[0]),
                cell(|b| b.bias[3]),
                cell(|b| b.scatter[3]),
                format!("{:.0}", at(all, of, index, |b| b.rate).0),
                format!("{:.1} %", 100.0 * at(all, of, index, |b| b.short).0),
                format!("{:.2}", at(all, of, index, |b| b.ms).0),
            ]
        });
        report.table(
            format!("Against the rate network with the same weights, {name}: means over {} seeds with 95 % intervals.", all.len()),
            &["width", "output", "cost", "bias W_f", "scatter W_f", "bias O", "scatter O", "spikes (Hz)", "short crossings", "gradient (ms)"],
            rows.collect(),
        );
    }
    let mut plot = Plot::new(2).letters();
    for (of, name) in [(START_WIDTHS, "weights at the start"), (TRAINED_WIDTHS, "trained weights")] {
        let mut panel = Panel::new(name)
            .x_label("width of the gate")
            .y_label("over the rate network's norm")
            .log_x()
            .log_y();
        let series: [(&str, Value); 4] = [
            ("output", |b| b.output),
            ("gradient by W_{f}, bias", |b| b.bias[0]),
            ("gradient by W_{f}, scatter", |b| b.scatter[0]),
            ("gradient by O, scatter", |b| b.scatter[3]),
        ];
        for (at, (label, value)) in series.into_iter().enumerate() {
            panel = lines(panel, all, of, value, Style::new(cycle(at)), label);
        }
        plot = plot.panel(panel);
    }
    report.plot(
        "widths",
        "From rate to spiking.",
        "Distance from the rate network with the same weights; one line for each seed.",
        plot.render()?,
    );
    Ok(())
}

/// One line for each seed; the first one has the label. At a width of 1 and at exact agreement there is nothing to draw on a logarithmic
/// axis.
fn lines(
    mut panel: Panel,
    all: &[OfSeed],
    of: Of,
    value: fn(&Beside) -> f64,
    style: Style,
    label: &str,
) -> Panel {
    for (at, seed) in all.iter().enumerate() {
        let points = of(seed).iter().map(|(x, beside)| (*x, value(beside))).filter(|(_, y)| *y > 1e-9);
        let (x, y): (Vec<f64>, Vec<f64>) = points.unzip();
        let style = if at == 0 { style.clone().label(label) } else { style.clone() };
        panel = panel.line(&x, &y, style);
    }
    panel
}

fn small_spikes(report: &mut Report, all: &[OfSeed]) -> Result<(), Error> {
    report.heading("Small spikes").prose(
        "Threshold and charge divided by k, at one width of the gate. A crossing of the zone takes at least twelve steps: with three the scatter falls with the root of k only. On the \
         left all currents are positive, by a large tonic current; on the right are the weights of the trained rate network.",
    );
    let mut plot = Plot::new(2).letters();
    for (of, name) in [(POSITIVE, "positive currents"), (MIXED, "currents of both signs")] {
        let mut panel = Panel::new(name).x_label("k").y_label("over the rate network's norm").log_x().log_y();
        let series: [(&str, Value); 3] = [
            ("output", |b| b.output),
            ("gradient by W_{f}", |b| b.gradient[0]),
            ("its mean over phases", |b| b.bias[0]),
        ];
        for (at, (label, value)) in series.into_iter().enumerate() {
            panel = lines(panel, all, of, value, Style::new(cycle(at)), label);
        }
        if let Some((k, beside)) = all.first().and_then(|seed| of(seed).last()) {
            let (x, y) = ([1.0, *k], [beside.output * k, beside.output]);
            panel = panel.line(&x, &y, Style::new(BLACK).dashed().label("order 1"));
        }
        plot = plot.panel(panel);
    }
    report.plot(
        "small-spikes",
        "Many small spikes.",
        "Root mean square distance from the rate network with the same weights; one line for each seed.",
        plot.render()?,
    );
    let Some(first) = all.first() else { return Ok(()) };
    for (of, name) in [(POSITIVE, "positive currents"), (MIXED, "currents of both signs, trained weights")] {
        let rows = of(first).iter().enumerate().map(|(index, (k, _))| {
            let cell = |value: fn(&Beside) -> f64| with_interval(at(all, of, index, value));
            let gradients =
                (0..GROUPS.len()).map(|g| with_interval(at(all, of, index, move |b| b.gradient[g])));
            let scatter = cell(|b| b.scatter[0]);
            [k.to_string(), cell(|b| b.output)]
                .into_iter()
                .chain(gradients)
                .chain([cell(|b| b.bias[0]), scatter])
                .collect()
        });
        report.table(
            format!("Against the rate network, {name}: root mean square distance of gradients by group, and bias and scatter of that by W_f."),
            &["k", "output", "W_f", "U", "b", "O", "bias W_f", "scatter W_f"],
            rows.collect(),
        );
    }
    let rows = first.paper.iter().enumerate().map(|(index, one)| {
        let cell = |value: fn(&super::measure::PaperLimit) -> f64| {
            let (mean, half) = mean(all.iter().map(|seed| value(&seed.paper[index])));
            with_interval((100.0 * mean, 100.0 * half))
        };
        vec![
            one.k.to_string(),
            cell(|p| p.threshold_linear),
            cell(|p| p.running_maximum),
            cell(|p| p.rectified),
        ]
    });
    report.table(
        "Outputs of the paper's neuron with small spikes against two limits, and of the rectified neuron, per cent of the limit's norm; \
         weights at the start.",
        &["k", "the paper's neuron from threshold-linear units", "from running maxima", "rectified neuron from threshold-linear units"],
        rows.collect(),
    );
    Ok(())
}

fn conversion(report: &mut Report, all: &[OfSeed], trained: &[String], run_in: &[String]) {
    let rows = trained.iter().enumerate().map(|(row, name)| {
        let cells = (0..run_in.len())
            .map(|column| with_interval(mean(all.iter().map(|seed| seed.conversion[row][column]))));
        std::iter::once(name.clone()).chain(cells).collect()
    });
    let head: Vec<&str> = std::iter::once("trained as").chain(run_in.iter().map(String::as_str)).collect();
    report.heading("Trained in one, run in the other").table(
        "Normalised error of the readout on held-out signals, without any retraining; 1 is as bad as no output.",
        &head,
        rows.collect(),
    );
}
