//! The figures and tables of the experiment.

use spikegrad::integrators::norm;
use spikegrad::network::Network;
use spikegrad::tasks::delayed_xor::{Answer, DelayedXor, Timing};
use spikegrad_report::plot::{BLACK, BLUE, Colour, GREY, Panel, Plot, Style, VERMILLION, cycle};

use super::analysis::{self, DELAY, Decoding, KINDS, LEAD};
use super::compared::Compared;
use super::scoring::{Gated, Scores, wilson};
use super::training::Trained;
use super::{Amounts, Scored, TESTS, name_of, percent};
use crate::Error;
use crate::experiments::Context;
use crate::report::Report;

/// The colour of the gated network, and of the baselines after it.
fn colour(network: usize) -> Colour {
    cycle(network)
}

/// The six kinds of trials: input, output against target, spikes.
pub(super) fn trials(report: &mut Report, gated: &Gated) -> Result<(), Error> {
    let task = DelayedXor::<f32>::default();
    let n = gated.network.neurons();
    let mut order: Vec<usize> = (0..n).collect();
    let readout = gated.network.parameters.readout(0);
    order.sort_by(|&i, &j| readout[(0, i)].total_cmp(&readout[(0, j)]));
    let (mut inputs, mut outputs, mut rasters) = (Vec::new(), Vec::new(), Vec::new());
    let mut given = Vec::new();
    for (at, (first, second, name)) in KINDS.into_iter().enumerate() {
        let episode = analysis::episode(first, second, Timing::Controlled);
        let trial = task.trial_of(&[episode]).map_err(Error::experiment)?;
        let recording = analysis::record(gated, &trial)?;
        given.extend(task.answers(&trial, &recording.output).into_iter().map(|pair| (name, pair)));
        let column = |k: usize| -> Vec<f64> {
            trial.inputs.iter().skip(k).step_by(2).map(|&x| f64::from(x)).collect()
        };
        let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| f64::from(x)).collect() };
        let label = |panel: Panel, label: &str| if at == 0 { panel.y_label(label) } else { panel };
        let named = |style: Style, name: &str| if at == 0 { style.label(name) } else { style };
        let time = &recording.time;
        let panel = |title: &str| Panel::new(title).x_range(0.0, trial.duration());
        inputs.push(label(
            panel(name)
                .hide_x()
                .y_range(-1.2, 1.2)
                .line(time, &column(0), named(Style::new(BLUE), "pulses"))
                .line(time, &column(1), named(Style::new(VERMILLION), "cue")),
            "input",
        ));
        outputs.push(label(
            panel("")
                .hide_x()
                .y_range(-1.4, 1.4)
                .line(time, &wide(&trial.targets), named(Style::new(GREY).width(2.4), "target"))
                .line(time, &wide(&recording.output), named(Style::new(BLUE), "output")),
            "output",
        ));
        let spikes = recording.spike_times();
        let sorted: Vec<Vec<f64>> = order.iter().map(|&i| spikes[i].clone()).collect();
        let raster = panel("").x_label("time (ms)").raster(&sorted, BLACK).when_empty("no neuron fired");
        rasters.push(label(raster, "neuron"));
    }
    let all = inputs.into_iter().chain(outputs).chain(rasters);
    let plot = all.fold(Plot::new(KINDS.len()).heights(&[0.8, 1.0, 2.0]), Plot::panel);
    report.heading("What the network does");
    report.plot(
        "trials",
        "The six kinds of trials.",
        format!(
            "Signs of first and second pulse above; delays of {DELAY} ms, timing controlled, so that the cue comes at the same \
             time in all six. The output has to stay near zero until the cue, then to rise for opposite signs, to fall for \
             equal ones and to do neither after a single pulse. {} Below, the spikes of all neurons, in the order of their \
             readout weights, the most negative at the bottom: the network can remember by nothing but what differs there \
             between the kinds.",
            answered(&given)
        ),
        plot.size(1060.0, 150.0).render()?,
    );
    Ok(())
}

/// How many of the trials that are shown were answered rightly, and what was answered in the others.
fn answered(given: &[(&str, (Answer, Answer))]) -> String {
    let wrong: Vec<String> = given
        .iter()
        .filter(|(_, (answered, right))| answered != right)
        .map(|(kind, (answered, _))| format!("{kind} as {}", name_of(*answered)))
        .collect();
    if wrong.is_empty() {
        return format!("This network answers all {} rightly.", given.len());
    }
    let right = given.len() - wrong.len();
    format!("This network answers {right} of {} rightly, and takes {}.", given.len(), wrong.join(", "))
}

/// Accuracy by test and class.
pub(super) fn by_class(report: &mut Report, ours: &Scored) {
    let header: Vec<&str> =
        ["held-out trials", "cues", "all"].into_iter().chain(Answer::ALL.map(name_of)).collect();
    let rows = TESTS.iter().zip(&ours.tests).map(|(test, scores)| {
        let classes = (0..3).map(|k| percent(scores.class(k)));
        [test.name.to_owned(), scores.cues().0.to_string(), percent(scores.cues())]
            .into_iter()
            .chain(classes)
            .collect()
    });
    report.heading("Held-out accuracy");
    report.table(
        "Part of cues answered rightly, with its 95 % confidence interval (Wilson 1927), for the gated network.",
        &header,
        rows.collect(),
    );
    let name = |k: usize| name_of(Answer::ALL[k]);
    let rows = (0..3).map(|k| {
        let row = ours.tests[1].confusion[k];
        std::iter::once(name(k).to_owned()).chain(row.iter().map(usize::to_string)).collect()
    });
    report.table(
        "What was right (rows) and what was answered (columns), timing-controlled.",
        &["", name(0), name(1), name(2)],
        rows.collect(),
    );
}

/// Accuracy against the time for which the first pulse has to be kept.
pub(super) fn by_memory(
    report: &mut Report,
    amounts: &Amounts,
    ours: &Scored,
    compared: &[Compared],
    others: &[Scored],
) -> Result<(), Error> {
    let mut plot = Plot::new(2).letters();
    for (at, test) in TESTS.iter().enumerate() {
        let task = test.task();
        let (least, most) = (task.gap.start + task.delay.start, task.gap.end + task.delay.end);
        let mut panel = Panel::new(test.name)
            .x_label("memory (ms)")
            .y_label("accuracy")
            .y_range(0.0, 1.0)
            .span(least + task.pulse, most + task.pulse);
        for (k, (scored, name)) in std::iter::once((ours, "gated"))
            .chain(others.iter().zip(compared.iter().map(|c| c.name)))
            .enumerate()
        {
            let row = &scored.memories[at];
            let values: Vec<f64> = row.iter().map(Scores::accuracy).collect();
            if k == 0 {
                let edge = |e: usize| -> Vec<f64> { row.iter().map(|s| wilson(s.cues())[e]).collect() };
                panel = panel.area(amounts.memories, &edge(0), &edge(1), Style::new(colour(k)));
            }
            let style = Style::new(colour(k));
            panel = panel.line(amounts.memories, &values, if at == 0 { style.label(name) } else { style });
        }
        plot = plot.panel(panel);
    }
    report.plot(
        "memory",
        "For how long.",
        "Accuracy on trials whose first pulse has to be kept for a given time, from its end to the cue, half of it before the \
         second pulse and half of it after. Grey: the times that occur in training. Around the gated network, the 95 % \
         confidence interval. In standard trials with a single pulse the cue comes earlier, so that it is kept for less long.",
        plot.size(820.0, 210.0).render()?,
    );
    Ok(())
}

/// All networks side by side.
pub(super) fn comparison(
    report: &mut Report,
    trained: &[Trained],
    ours: &Scored,
    compared: &[Compared],
    others: &[Scored],
) -> Result<(), Error> {
    let row = |name: &str, scored: &Scored, seconds: f64, spiking: bool| {
        let accuracy = |k: usize| percent(scored.tests[k].cues());
        let standard = &scored.tests[0];
        let rate = if spiking { format!("{:.1}", standard.rate()) } else { "\u{2013}".to_owned() };
        [
            name.to_owned(),
            accuracy(0),
            accuracy(1),
            accuracy(2),
            format!("{:.0} %", 100.0 * standard.error_ratio()),
            rate,
            format!("{:.1}", seconds / 60.0),
        ]
        .to_vec()
    };
    let seconds = trained.iter().map(|one| one.seconds).sum();
    let mut rows = vec![row("gated, exact gradient", ours, seconds, true)];
    for (other, scored) in compared.iter().zip(others) {
        let spiking = scored.tests[0].spikes > 0;
        rows.push(row(other.name, scored, other.seconds, spiking));
        report.add_seconds(other.before);
    }
    report.heading("Other networks on the same task");
    report.prose(
        "All have as many neurons or units as the gated network and the same filter before the output. One network of each \
         kind was trained on streams with both timings, on at most as many trials, and is judged by all tests. The rate network \
         has no spikes at all, and an exact gradient too: it shows what the task costs without them. The integrate-and-fire \
         networks have the wiring of the gated one and spikes that are all or none, and a surrogate stands for the derivative, \
         which is not the gradient of these networks; nothing in their cost holds their rates down.",
    );
    report.table(
        "Accuracy with its 95 % confidence interval; squared error over the whole trial in per cent of that of silence; mean rate; wall time of training.",
        &["network", "standard", "timing-controlled", "streams of five", "error", "rate (Hz)", "training (min)"],
        rows,
    );
    learning(report, trained, compared)
}

/// What the starts of trainings had reached when one of each was chosen.
pub(super) fn starts<'a>(report: &mut Report, trained: impl Iterator<Item = (u64, &'a Trained)>) {
    let (mut rows, mut trainings) = (Vec::new(), Vec::new());
    for (seed, one) in trained {
        for (k, found) in one.tried.iter().enumerate() {
            trainings.push(vec![
                seed.to_string(),
                one.name.to_owned(),
                (k + 1).to_string(),
                found.map_or_else(nothing, |found| format!("{:.1}", 100.0 * found)),
            ]);
        }
        for (k, reached) in one.starts.iter().enumerate() {
            let shown = |x: Option<f64>, digits: usize| x.map_or_else(nothing, |x| format!("{x:.digits$}"));
            let found = reached.validation;
            rows.push(vec![
                seed.to_string(),
                one.name.to_owned(),
                (k + 1).to_string(),
                shown(reached.level, 2),
                shown(found.map(|found| 100.0 * found.score), 1),
                shown(found.map(|found| found.cost), 5),
                if k == one.start { "<b>goes on</b>" } else { "ends" }.to_owned(),
            ]);
        }
    }
    report.heading("Starts");
    report.prose(
        "A seed draws several networks. Each is trained on trials of its own for some iterations of the whole training; the \
         one with the smallest cost in validation goes on from there. A training that then fails by its own account, by a fresh \
         validation below the band of the accuracy, is begun anew with another network, streams up to three times; the best one \
         by that account is judged.",
    );
    report.table(
        "What every training came to: accuracy in the fresh validation (%), none where the last level was not reached.",
        &["seed", "network", "training", "fresh validation"],
        trainings,
    );
    report.table(
        "What each start had reached when one was chosen: level of difficulty, accuracy in validation at that level (%), its cost.",
        &["seed", "network", "start", "level", "validation", "cost", "then"],
        rows,
    );
}

/// Stands where there is nothing to tell.
pub(super) fn nothing() -> String {
    "\u{2013}".to_owned()
}

/// Level and validation of the same network on every seed.
pub(super) fn courses(report: &mut Report, key: &str, trained: &[(u64, Trained)]) -> Result<(), Error> {
    let Some((_, first)) = trained.first() else { return Ok(()) };
    let panel = |title: &str| Panel::new(title).x_label("iteration").y_range(0.0, 1.0);
    let (mut level, mut validation) =
        (panel("Level").y_label("level"), panel("Validation").y_label("accuracy"));
    validation = validation.when_empty("training ended before the first validation");
    for (k, (seed, one)) in trained.iter().enumerate() {
        let style = || Style::new(colour(k));
        let (x, y) = binned(&one.level);
        let x: Vec<f64> = x.into_iter().map(|i| i as f64).collect();
        level = level.line(&x, &y, style().label(format!("seed {seed}")));
        let (x, y): (Vec<f64>, Vec<f64>) = one.validation.iter().map(|&(i, a)| (i as f64, a)).unzip();
        validation = validation.line(&x, &y, style());
    }
    report.plot(
        key,
        "Level and validation.",
        format!(
            "Of the network <em>{}</em> on each seed, from the start that went on. Left: level of difficulty, 1 for the last. Right: \
             part of cues answered rightly in validation at that level.",
            first.name
        ),
        Plot::new(2).letters().panel(level).panel(validation).size(820.0, 230.0).render()?,
    );
    Ok(())
}

/// Cost and validation against the trials seen.
fn learning(report: &mut Report, trained: &[Trained], compared: &[Compared]) -> Result<(), Error> {
    let mut cost = Panel::new("Cost of a batch").x_label("thousand trials").y_label("cost").log_y();
    let mut validation = Panel::new("Validation")
        .x_label("thousand trials")
        .y_label("accuracy")
        .y_range(0.0, 1.0)
        .when_empty("training ended before the first validation");
    let mut curve = |k: usize, name: &str, batch: usize, costs: &[f64], accuracies: &[(usize, f64)]| {
        let thousand = |iteration: usize| (iteration * batch) as f64 * 1e-3;
        let (x, y) = binned(costs);
        let x: Vec<f64> = x.into_iter().map(thousand).collect();
        let style = || Style::new(colour(k));
        cost = std::mem::take(&mut cost).line(&x, &y, style().label(name));
        let (x, y): (Vec<f64>, Vec<f64>) = accuracies.iter().map(|&(i, a)| (thousand(i), a)).unzip();
        validation = std::mem::take(&mut validation).line(&x, &y, style());
    };
    let mut level = Panel::new("Level").x_label("thousand trials").y_label("level").y_range(0.0, 1.0);
    for (k, one) in trained.iter().enumerate() {
        curve(k, one.name, one.batch, &one.cost, &one.validation);
        let (x, y) = binned(&one.level);
        let x: Vec<f64> = x.into_iter().map(|i| (i * one.batch) as f64 * 1e-3).collect();
        level = level.line(&x, &y, Style::new(colour(k)));
    }
    for (k, other) in compared.iter().enumerate() {
        let costs: Vec<f64> = other.history.iter().map(|done| done.cost).collect();
        let found: Vec<_> = other
            .history
            .iter()
            .filter_map(|done| Some((done.iteration + 1, done.validation?.score)))
            .collect();
        curve(trained.len() + k, other.name, other.batch, &costs, &found);
    }
    let peaks = peaks(trained, compared);
    report.plot(
        "learning",
        "Learning.",
        format!(
            "Left: cost of the batches, averaged over neighbouring ones. It may rise while answers get better, because delays and \
             the weight of what lies outside the responses grow with the level of difficulty. Middle: part of cues answered \
             rightly on validation trials of the level that training has reached. Right: that level, for the gated networks; at \
             0.6 the delays have their full length. {peaks}{}",
            trained.iter().map(judged).collect::<Vec<_>>().join(" ")
        ),
        Plot::new(3).letters().panel(cost).panel(validation).panel(level).size(820.0, 300.0).render()?,
    );
    Ok(())
}

/// Says of curves that leave the scale of the others where they do so, and what it means.
fn peaks(trained: &[Trained], compared: &[Compared]) -> String {
    let curves = trained.iter().map(|one| (one.name, one.batch, one.cost.clone()));
    let others = compared.iter().map(|other| {
        (other.name, other.batch, other.history.iter().map(|done| done.cost).collect::<Vec<_>>())
    });
    // Silence costs well below 1.
    let of = |(name, batch, costs): (&str, usize, Vec<f64>)| {
        let finite = || costs.iter().enumerate().filter(|(_, cost)| cost.is_finite());
        let (at, peak) = finite().max_by(|a, b| a.1.total_cmp(b.1))?;
        let end = costs.iter().rev().find(|cost| cost.is_finite())?;
        (*peak > 1e3).then(|| {
            format!(
                "The cost of <em>{name}</em> peaks at {peak:.0e} after {:.1} thousand trials and ends at {end:.2}. ",
                (at * batch) as f64 * 1e-3
            )
        })
    };
    let mut told: String = curves.chain(others).filter_map(of).collect();
    if !told.is_empty() {
        told.push_str(RUNAWAY);
    }
    told
}

/// What is known of costs that are this large, and what is not.
const RUNAWAY: &str = "What is known of such costs: by the equation a theta neuron fires in proportion to the root of its current, and \
    activity stays bounded. In a step of 1 ms in which a neuron spikes more than once, Euler's method moves it in proportion to the current \
    itself, and with recurrent weights that have an eigenvalue above 1 activity then grows exponentially until the trial ends. So it is in the \
    network that training of seed 1 begins with if 0.01 is added to each of its slow weights, which raises the largest eigenvalue from 0.72 to \
    1.31: in one trial a neuron spikes 66 times in a step of 1 ms, and the gradient is not finite; with steps of 0.5 and 0.1 ms no neuron spikes \
    twice in a step, and the costs are 0.90 and 0.85. What is not known: which trial and which weights made the cost above, which this run \
    does not keep. ";

/// Which network of a training is judged: that depends on how far it came.
fn judged(one: &Trained) -> String {
    let highest = one.level.iter().copied().fold(0.0, f64::max);
    if highest >= 1.0 && one.best {
        return format!("Of the network <em>{}</em>, the best one at the last level is judged.", one.name);
    }
    format!(
        "The training of <em>{}</em> reached level {highest:.2} and no validation at the last one, which is 1: the network that it \
         ended with is judged.",
        one.name
    )
}

/// At most two hundred means of neighbouring values, with the number of the last one.
fn binned(values: &[f64]) -> (Vec<usize>, Vec<f64>) {
    let size = values.len().div_ceil(200).max(1);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    values.chunks(size).enumerate().map(|(k, part)| (k * size + part.len(), mean(part))).unzip()
}

/// What goes on inside: memory, rates, adjoint, weights.
pub(super) fn inside(
    context: &Context,
    report: &mut Report,
    amounts: &Amounts,
    one: &Trained,
) -> Result<(), Error> {
    report.heading("Inside the network");
    decodability(context, report, amounts, one)?;
    adjoint(report, one)?;
    weights(context, report, amounts, one)
}

fn decodability(
    context: &Context,
    report: &mut Report,
    amounts: &Amounts,
    one: &Trained,
) -> Result<(), Error> {
    // The random network that training began with tells what a readout finds without any of it.
    let untrained = Gated { network: one.initial.clone(), h: one.gated.h };
    let [before, after] = [&untrained, &one.gated]
        .map(|gated| analysis::decoding(gated, &one.task, amounts.decoded, context.seed));
    let (before, after) = (before?, after?);
    let task = &one.task;
    let second = task.pulse + DELAY;
    let cue = 2.0 * second;
    let mut plot = Plot::new(3).letters();
    for (k, name) in DECODED.into_iter().enumerate() {
        let panel = Panel::new(name)
            .x_label("time from the first pulse (ms)")
            .y_range(0.0, 1.0)
            .span(0.0, task.pulse)
            .span(second, second + task.pulse)
            .span(cue, cue + task.cue)
            .hline(0.5);
        let panel = if k == 0 { panel.y_label("told rightly") } else { panel };
        let named = |style: Style, name: &str| if k == 0 { style.label(name) } else { style };
        let trained = Style::new(cycle(k)).width(1.6);
        plot = plot.panel(
            panel
                .line(&before.time, &before.accuracy[k], named(Style::new(GREY).dashed(), "before training"))
                .line(&after.time, &after.accuracy[k], named(trained, "after")),
        );
    }
    let times = [("before the cue", cue - 10.0), ("after the cue", cue + task.cue + 20.0)];
    for (when, time) in times {
        for (who, decoding) in [("", &after), (", untrained", &before)] {
            for (name, accuracy) in DECODED.into_iter().zip(decoding.at(time)) {
                report.figure(format!("linear readout {when}: {name}{who}"), accuracy, "", None);
            }
        }
    }
    report.plot(
        "decoding",
        "What the activity tells.",
        format!(
            "How well a linear readout of the slow synapses, fitted at each time on some trials by ridge regression, tells the \
             signs on others ({} trials with delays of {DELAY} ms; five-fold cross-validation; one half is chance). Grey areas: \
             first pulse, second pulse, cue. Dashed: the same for the random network that training began with. Only what a \
             readout tells beyond that is due to training. {}",
            amounts.decoded,
            told(&before, &after, times)
        ),
        plot.size(820.0, 210.0).render()?,
    );
    Ok(())
}

/// What is decoded.
const DECODED: [&str; 3] = ["first pulse", "second pulse", "exclusive-or"];

/// Accuracies with and without training at some times, in words.
fn told(before: &Decoding, after: &Decoding, times: [(&str, f64); 2]) -> String {
    let sentence = |(when, time)| {
        let pairs = after.at(time).into_iter().zip(before.at(time)).zip(DECODED);
        let part = |((after, before), name)| format!("{name} {after:.2} (untrained {before:.2})");
        format!("Told rightly {when}: {}.", pairs.map(part).collect::<Vec<_>>().join(", "))
    };
    times.map(sentence).join(" ")
}

fn adjoint(report: &mut Report, one: &Trained) -> Result<(), Error> {
    let network = one.gated.network.to_f64();
    let task = DelayedXor::<f64>::default();
    let episode = analysis::episode(1.0, -1.0, Timing::Standard);
    let trial = task.trial_of(&[episode]).map_err(Error::experiment)?;
    let all = analysis::adjoint(&network, one.gated.h, &trial, &task.loss)?;
    let n = all.neurons;
    let column = |x: &[f64], i: usize| -> Vec<f64> { x.iter().skip(i).step_by(n).copied().collect() };
    let mut counts = vec![0; n];
    all.spikes.iter().for_each(|&(neuron, _)| counts[neuron] += 1);
    let busiest = (0..n).max_by_key(|&i| counts[i]).unwrap_or(0);
    let firing = counts.iter().filter(|count| **count > 0).count();
    let second = LEAD + task.pulse + DELAY;
    let cue = second + task.pulse + DELAY;
    let spans = |panel: Panel| {
        panel.span(LEAD, LEAD + task.pulse).span(second, second + task.pulse).span(cue, cue + task.cue)
    };
    let traces = |title: &str, label: &str| spans(Panel::new(title)).y_label(label);
    let norms = |x: &[f64]| -> Vec<f64> { x.chunks_exact(n).map(norm).collect() };
    let reach = 30;
    let lags: Vec<f64> = (0..=2 * reach).map(|lag| lag as f64 - reach as f64).collect();
    let profile = |x: &[f64]| all.around_spikes(x, reach);
    let plot = Plot::new(2)
        .letters()
        .panel(traces("Voltage of one neuron", "v").hide_x().line(
            &all.time,
            &column(&all.v, busiest),
            Style::new(BLACK),
        ))
        .panel(traces("All neurons", "|p_{v}|").hide_x().log_y().line(
            &all.time,
            &norms(&all.p_v),
            Style::new(BLUE),
        ))
        .panel(traces("Its adjoint of the voltage", "p_{v}").hide_x().hline(0.0).line(
            &all.time,
            &column(&all.p_v, busiest),
            Style::new(BLUE),
        ))
        .panel(
            traces("All neurons", "|p_{s}|")
                .x_label("time (ms)")
                .log_y()
                .line(&all.time, &norms(&all.p_s[0]), Style::new(VERMILLION).label("slow"))
                .line(&all.time, &norms(&all.p_s[1]), Style::new(cycle(2)).label("fast")),
        )
        .panel(
            traces("Its adjoint of the synapses", "p_{s}")
                .x_label("time (ms)")
                .hline(0.0)
                .line(&all.time, &column(&all.p_s[0], busiest), Style::new(VERMILLION).label("slow"))
                .line(&all.time, &column(&all.p_s[1], busiest), Style::new(cycle(2)).label("fast")),
        )
        .panel(
            Panel::new("Around spikes")
                .x_label("time from a spike (ms)")
                .y_label("mean size, relative")
                .when_empty("no neuron fired")
                .vline(0.0)
                .line(&lags, &profile(&all.p_v), Style::new(BLUE).label("p_{v}"))
                .line(&lags, &profile(&all.error), Style::new(BLACK).label("\u{2202}_{I} f p_{v}")),
        );
    let (time, p_v, error) = (all.active_share(), all.share_in_zone(&all.p_v), all.share_in_zone(&all.error));
    report
        .figure("active zone: part of neuron time", time, "", None)
        .figure("active zone: part of |p_v|", p_v, "", None)
        .figure("active zone: part of |d_I f p_v|", error, "", None);
    report.plot(
        "adjoint",
        "How the error flows back.",
        format!(
            "The paper's adjoint variables of equations (6) and (7), as the discrete sweep has them (28), along one trial (+ \
             \u{2212}); time runs forwards, the adjoint was computed backwards. Left: the neuron that fires most, with {} \
             spikes. Right: all of them; {firing} of {n} fire. Error enters p<sub>v</sub> only while a voltage is in the active \
             zone, where neurons spend {} of the time; {} of |p<sub>v</sub>| and {} of the error current \
             \u{2202}<sub>I</sub>f p<sub>v</sub>, which becomes the gradient of the weights, lie there. Last panel: both around \
             the spikes of the neuron that they belong to, relative to their means.",
            counts[busiest],
            share(time),
            share(p_v),
            share(error)
        ),
        plot.size(820.0, 170.0).render()?,
    );
    Ok(())
}

/// A part of a whole in per cent, or a word where there was nothing to take a part of.
fn share(part: f64) -> String {
    if part.is_finite() { format!("{:.1} %", 100.0 * part) } else { "none".to_owned() }
}

fn weights(context: &Context, report: &mut Report, amounts: &Amounts, one: &Trained) -> Result<(), Error> {
    let rates = analysis::rates(&one.gated, &one.task, amounts.per_delay as u64, context.seed)?;
    let silent = rates.iter().filter(|&&rate| rate < 0.5).count();
    report.figure("neurons below 0.5 Hz", silent as f64, "", None);
    let mut plot = Plot::new(3).letters().panel(
        Panel::new("Firing rates").x_label("mean rate (Hz)").y_label("neurons").histogram(
            &rates,
            20,
            Style::new(BLUE),
        ),
    );
    let mut apart = [0; 2];
    for (class, name) in ["W", "W_{f}"].into_iter().enumerate() {
        apart[class] = analysis::apart(&one.initial, &one.gated.network, class);
        let dots = |panel: Panel, network: &Network<f32>, style: Style| {
            let (x, y) = analysis::spectrum(network, class);
            panel.scatter(&x, &y, style)
        };
        let panel = Panel::new(format!("Eigenvalues of {name}"))
            .x_label("real part")
            .y_label("imaginary part")
            .hline(0.0);
        let panel = dots(panel, &one.initial, Style::new(GREY).label("before training"));
        plot = plot.panel(dots(panel, &one.gated.network, Style::new(VERMILLION).label("after")));
    }
    report.plot(
        "weights",
        "Rates and weights.",
        format!(
            "Left: mean rates over held-out trials; {silent} of {} neurons stay below 0.5 Hz. Middle and right: eigenvalues of \
             slow and fast recurrent weights. Training starts from neurons that each excite themselves and are otherwise all but \
             unconnected. After it, {} eigenvalues of W and {} of W<sub>f</sub> lie farther from the centre of those before it \
             than any of them did.",
            rates.len(),
            apart[0],
            apart[1]
        ),
        plot.size(900.0, 230.0).render()?,
    );
    Ok(())
}
