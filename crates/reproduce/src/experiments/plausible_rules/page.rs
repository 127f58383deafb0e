//! Figures, tables and the answer in words, which the figures choose.

use spikegrad::network::Group;
use spikegrad_report::plot::{BLACK, GREY, Panel, Plot, Style, cycle};

use super::super::intervals::{Mean, worse};
use super::super::small_tasks::SmallTask;
use super::super::small_tasks::capital;
use super::{Found, SNAPSHOTS};
use crate::Error;
use crate::report::Report;

/// What a rule's score is worth beside that of the exact gradient: the part of the way from the untrained network.
const WORDS: [(f64, &str); 4] =
    [(0.95, "as well as the exact gradient"), (0.8, "nearly as well"), (0.4, "in part"), (0.15, "a little")];
/// Below all of them.
const NOTHING: &str = "not at all";
/// The largest difference between the plain backward pass with all parts exact and the engine's gradient.
const EXACT: [f64; 2] = [0.0, 1e-10];

impl Found {
    fn scores(&self, rule: usize) -> Vec<f64> {
        self.trained[rule].iter().map(|one| one.score).collect()
    }

    /// The way from the untrained network to that of the exact gradient that a rule goes, in the mean over seeds: in accuracy, or in the
    /// logarithm of an error. A training that became non-finite has gone no way.
    fn way(&self, rule: usize) -> f64 {
        let of = |score: f64| if self.small.is_better_above { score } else { -score.ln() };
        let each = self.untrained.iter().enumerate().map(|(k, &untrained)| {
            let [start, end, this] =
                [untrained, self.trained[0][k].score, self.trained[rule][k].score].map(of);
            if this.is_finite() { (this - start) / (end - start) } else { 0.0 }
        });
        each.sum::<f64>() / self.untrained.len() as f64
    }

    /// The cosines of a rule along the training by the exact gradient: by seed, of snapshot `at` and a group.
    fn cosines(&self, rule: usize, at: usize, group: usize) -> Vec<f64> {
        let there = self.along.iter().filter_map(|seed| seed.get(at));
        there.map(|compared| compared.rules[rule].of_means[group]).collect()
    }

    /// The mean cosine by the recurrent weights over all snapshots and seeds.
    fn recurrent_cosine(&self, rule: usize) -> f64 {
        let group = self.recurrent_group();
        let all: Vec<f64> = (0..SNAPSHOTS.len()).flat_map(|at| self.cosines(rule, at, group)).collect();
        all.iter().sum::<f64>() / all.len() as f64
    }

    fn recurrent_group(&self) -> usize {
        let recurrent = Group::Weight(self.small.recurrent);
        self.small.groups.iter().position(|(group, _)| *group == recurrent).unwrap_or_default()
    }
}

/// What the part of the way is called.
fn word(way: f64) -> &'static str {
    WORDS.iter().find(|(least, _)| way >= *least).map_or(NOTHING, |(_, word)| word)
}

/// Rules by the word that their part of the way has, in sentences.
fn learned(found: &Found) -> String {
    let names = |wanted: &str| -> Vec<String> {
        let rules = (1..found.rules.len()).filter(|&rule| word(found.way(rule)) == wanted);
        rules
            .map(|rule| format!("<i>{}</i> ({})", found.rules[rule].name, Mean::of(&found.scores(rule))))
            .collect()
    };
    let words = WORDS.iter().map(|(_, word)| *word).chain([NOTHING]);
    let parts = words.map(|word| (word, names(word))).filter(|(_, names)| !names.is_empty());
    parts.map(|(word, names)| format!("{word}: {}", names.join(", "))).collect::<Vec<_>>().join("; ")
}

/// The answer, for each task and over both.
fn answer(found: &[Found]) -> Vec<String> {
    let mut answer = Vec::new();
    for one in found {
        let small = &one.small;
        answer.push(format!(
            "<b>{}.</b> The exact gradient brings the {} from {} to {}. The other rules learn {}.",
            capital(small.name),
            small.score,
            Mean::of(&one.untrained),
            Mean::of(&one.scores(0)),
            learned(one),
        ));
        let cosine = |rule: usize| format!("{} {:.2}", one.rules[rule].name, one.recurrent_cosine(rule));
        let all: Vec<String> = (1..one.rules.len()).map(cosine).collect();
        let other = one.along.iter().flatten().map(|c| c.other_trials[one.recurrent_group()]);
        let (sum, count) = other.fold((0.0, 0), |(sum, count), x| (sum + x, count + 1));
        answer.push(format!(
            "Cosine with the exact gradient by the recurrent weights {}, in the mean over training by the exact gradient: {}. The exact \
             gradient of as many other trials has {:.2}.",
            small.groups[one.recurrent_group()].1,
            all.join(", "),
            sum / f64::from(count),
        ));
    }
    answer.push(angle_and_learning(found));
    answer
}

/// Whether the rules that are nearer to the exact gradient learn more: the rank correlation over the rules of each task.
fn angle_and_learning(found: &[Found]) -> String {
    let each = found.iter().map(|one| {
        let rules = 1..one.rules.len();
        let (cosines, ways): (Vec<f64>, Vec<f64>) =
            rules.map(|rule| (one.recurrent_cosine(rule), one.way(rule))).unzip();
        (one.small.name, rank_correlation(&cosines, &ways))
    });
    let each: Vec<(&str, f64)> = each.collect();
    let words = match each
        .iter()
        .map(|(_, r)| *r)
        .fold(f64::INFINITY, |least, r| if r.is_nan() || r < least { r } else { least })
    {
        least if least >= 0.7 => "A small angle to the exact gradient goes with learning in both tasks",
        least if least >= 0.3 => "A small angle to the exact gradient goes with learning, more or less",
        _ => "A small angle to the exact gradient does not tell in both tasks which rule learns",
    };
    let figures: Vec<String> = each.iter().map(|(name, r)| format!("{r:.2} in {name}")).collect();
    format!("{words}: the rank correlation over the rules is {}.", figures.join(", "))
}

/// Spearman's rank correlation; ranks of equal values are their mean.
fn rank_correlation(x: &[f64], y: &[f64]) -> f64 {
    let ranks = |x: &[f64]| -> Vec<f64> {
        let rank = |a: &f64| {
            let below = x.iter().filter(|b| *b < a).count() as f64;
            let equal = x.iter().filter(|b| *b == a).count() as f64;
            below + 0.5 * (equal - 1.0)
        };
        x.iter().map(rank).collect()
    };
    let centred = |x: Vec<f64>| -> Vec<f64> {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        x.into_iter().map(|x| x - mean).collect()
    };
    super::super::statistics::cosine(&centred(ranks(x)), &centred(ranks(y)))
}

/// Writes all.
pub(super) fn write(report: &mut Report, found: &[Found]) -> Result<(), Error> {
    for sentence in answer(found) {
        report.answer(sentence);
    }
    report.heading("The rules").prose(
        "Every rule has the forward pass of the exact gradient, and the last step of the way back: presynaptic charge times the error \
         that has arrived at the postsynaptic neuron. What brings the error there is replaced. Random matrices are drawn once for \
         each network. No rule replaces anything between the cost and the readout's own weights, whose gradient is exact in all.",
    );
    let rules: Vec<Vec<String>> =
        super::RULES.iter().map(|rule| vec![rule.name.to_owned(), rule.says.to_owned()]).collect();
    report.table("The rules.", &["rule", "what it replaces"], rules);
    figures(report, found);
    for one in found {
        report.heading(capital(one.small.name));
        scores(report, one)?;
        curves(report, one)?;
        cosines(report, one)?;
    }
    Ok(())
}

/// The figures that are judged, and those that are reported.
fn figures(report: &mut Report, found: &[Found]) {
    for one in found {
        let small = &one.small;
        let error = one.along.iter().flatten().map(|compared| compared.error);
        report.figure(
            format!(
                "{}: plain backward pass against the engine's gradient, largest relative difference",
                small.name
            ),
            error.fold(0.0, worse),
            "",
            Some(EXACT),
        );
        for (k, one) in one.trained[0].iter().enumerate() {
            let name = format!("{}: {} by the exact gradient, seed + {k}", small.name, small.score);
            report.figure(name, one.score, "", Some(learned_band(small)));
        }
        for (number, rule) in one.rules.iter().enumerate().skip(1) {
            let name = format!("{}, {}", small.name, rule.name);
            let worst = one.trained[number].iter().filter(|one| !one.score.is_finite()).count();
            report
                .figure(format!("{name}: {}", small.score), Mean::of(&one.scores(number)).mean, "", None)
                .figure(
                    format!("{name}: part of the way of the exact gradient"),
                    one.way(number),
                    "",
                    band(one, number),
                )
                .figure(
                    format!("{name}: cosine by the recurrent weights"),
                    one.recurrent_cosine(number),
                    "",
                    None,
                );
            if worst > 0 {
                report.figure(format!("{name}: trainings that became non-finite"), worst as f64, "", None);
            }
        }
    }
}

/// What the exact gradient reaches at least.
fn learned_band(small: &SmallTask) -> [f64; 2] {
    if small.is_better_above { [0.8, 1.0] } else { [0.0, 0.2] }
}

/// What the documentation claims of rules: the task, the rule, and the band of its part of the way.
const CLAIMED: [(&str, &str, [f64; 2]); 4] = [
    ("autoencoding", "surrogate", [0.85, 1.15]),
    ("autoencoding", "local", [0.7, 1.05]),
    ("xor", "local-autapses", [0.8, 1.25]),
    ("xor", "random-recurrent", [-0.5, 0.6]),
];

/// The band of what is claimed of a rule.
fn band(found: &Found, rule: usize) -> Option<[f64; 2]> {
    let (task, key) = (found.small.key, found.rules[rule].key);
    let claimed = CLAIMED.iter().find(|(of, rule, _)| *of == task && *rule == key);
    claimed.map(|(_, _, band)| *band)
}

/// Scores of every seed, and how learning rates were chosen.
fn scores(report: &mut Report, found: &Found) -> Result<(), Error> {
    let small = &found.small;
    let names: Vec<&str> = found.rules.iter().map(|rule| rule.name).collect();
    let seeds = found.untrained.len();
    let by_seed: Vec<Vec<f64>> =
        (0..seeds).map(|k| (0..names.len()).map(|rule| found.trained[rule][k].score).collect()).collect();
    let style = |k: usize| Style::new(cycle(k)).label(format!("seed + {k}"));
    let series: Vec<(&[f64], Style)> =
        by_seed.iter().enumerate().map(|(k, scores)| (scores.as_slice(), style(k))).collect();
    let untrained = Mean::of(&found.untrained).mean;
    let panel = Panel::new("").y_label(small.score).grouped_bars(&names, &series).hline(untrained);
    report.plot(
        &format!("{}-scores", small.key),
        format!("What each rule learns: {}.", small.name),
        format!(
            "The {} on held-out trials, by rule and seed. The line is the mean before training.",
            small.score
        ),
        Plot::new(1).panel(panel).size(1000.0, 330.0).render()?,
    );
    let rows = found.rules.iter().enumerate().map(|(number, rule)| {
        let tuned = &found.tuned[number];
        let score = |score: Option<f64>| {
            score.map_or_else(|| "non-finite".to_owned(), |x| Mean::of(&[x]).to_string())
        };
        let tried: Vec<String> =
            tuned.tried.iter().map(|(factor, found)| format!("{factor}: {}", score(*found))).collect();
        let aligned: Vec<[f64; 2]> = found.aligned[number].clone();
        let mean = |at: usize| Mean::of(&aligned.iter().map(|pair| pair[at]).collect::<Vec<_>>());
        let turned = if rule.has_random_readout() {
            // Before training a readout may be zero, which has no angle.
            format!("{} (before: {})", mean(1), mean(0))
        } else {
            String::new()
        };
        vec![
            rule.name.to_owned(),
            Mean::of(&found.scores(number)).to_string(),
            format!("{:.2}", found.way(number)),
            tried.join(", "),
            tuned.factor.to_string(),
            turned,
        ]
    });
    report.table(
        format!(
            "The {} with its 95 % confidence interval over {seeds} seeds (before training: {}), the part of the way that the exact gradient \
             goes, the choice of the factor on all learning rates by validation of a network of its own, and the cosine of the \
             learned readout with the random matrix that stands in its place.",
            small.score,
            Mean::of(&found.untrained)
        ),
        &["rule", small.score, "part of the way", "factors tried", "chosen", "O and its random stand-in"],
        rows.collect(),
    );
    Ok(())
}

/// Costs through training.
fn curves(report: &mut Report, found: &Found) -> Result<(), Error> {
    let mut panel = Panel::new("").x_label("iteration").y_label("cost").log_y();
    for (number, rule) in found.rules.iter().enumerate() {
        let all: Vec<&[f64]> = found.trained[number]
            .iter()
            .map(|one| one.costs.as_slice())
            .filter(|costs| !costs.is_empty())
            .collect();
        let shortest = all.iter().map(|costs| costs.len()).min().unwrap_or(0);
        // Means over seeds and neighbouring iterations.
        let window = (shortest / 40).max(1);
        let (x, y): (Vec<f64>, Vec<f64>) = (0..shortest / window)
            .map(|at| {
                let part = at * window..(at + 1) * window;
                let sum: f64 = all.iter().flat_map(|costs| &costs[part.clone()]).sum();
                ((part.start + part.end) as f64 / 2.0, sum / (window * all.len()) as f64)
            })
            .unzip();
        let style = if number == 0 { Style::new(BLACK).width(2.5) } else { style_of(number) };
        panel = panel.line(&x, &y, style.label(rule.name));
    }
    report.plot(
        &format!("{}-curves", found.small.key),
        format!("Learning: {}.", found.small.name),
        "Cost of the batches, in the mean over seeds and neighbouring iterations.",
        Plot::new(1).panel(panel).size(900.0, 380.0).render()?,
    );
    Ok(())
}

/// Cosines through training by the exact gradient, and in the networks that the rules trained themselves.
fn cosines(report: &mut Report, found: &Found) -> Result<(), Error> {
    let small = &found.small;
    let percent = SNAPSHOTS.map(|part| 100.0 * part);
    // The readout's gradient is exact in all rules.
    let groups: Vec<usize> =
        (0..small.groups.len()).filter(|&g| small.groups[g].0 != Group::Readout(0)).collect();
    let mut plot = Plot::new(2).letters();
    for &group in &groups {
        let name = small.groups[group].1;
        let mut panel = Panel::new(subscript(name))
            .x_label("part of training (%)")
            .y_label("cosine")
            .y_range(-0.6, 1.05)
            .hline(0.0);
        let other: Vec<f64> = (0..SNAPSHOTS.len())
            .map(|at| {
                let there = found.along.iter().filter_map(|seed| seed.get(at));
                Mean::of(&there.map(|compared| compared.other_trials[group]).collect::<Vec<_>>()).mean
            })
            .collect();
        for (number, rule) in found.rules.iter().enumerate().skip(1) {
            let means: Vec<f64> =
                (0..SNAPSHOTS.len()).map(|at| Mean::of(&found.cosines(number, at, group)).mean).collect();
            panel = panel.line(&percent, &means, style_of(number).label(rule.name));
        }
        plot =
            plot.panel(panel.line(&percent, &other, Style::new(GREY).dashed().label("exact, other trials")));
    }
    report.plot(
        &format!("{}-cosines", small.key),
        format!("Cosine with the exact gradient: {}.", small.name),
        "By group of parameters, at the start, on the way and at the end of training by the exact gradient; means over seeds. Directions are \
         means over trials that no network was trained on, each clipped at the median norm. The dashed line is the exact \
         gradient of as many other trials: what the choice of trials alone does.",
        plot.size(1000.0, 300.0).render()?,
    );
    let at = [0, SNAPSHOTS.len() / 2, SNAPSHOTS.len() - 1];
    let mut head = vec!["rule".to_owned()];
    for &group in &groups {
        let name = small.groups[group].1;
        head.extend(at.map(|at| format!("{name}, {} %", percent[at])));
        head.push(format!("{name}, single trials"));
        head.push(format!("{name}, own network"));
    }
    let mut rows = Vec::new();
    for (number, rule) in found.rules.iter().enumerate().skip(1) {
        let mut row = vec![rule.name.to_owned()];
        for &group in &groups {
            row.extend(at.map(|at| format!("{:.2}", Mean::of(&found.cosines(number, at, group)).mean)));
            let last = found.along.iter().filter_map(|seed| seed.last());
            let single: Vec<f64> = last.map(|compared| compared.rules[number].of_trials[group]).collect();
            let own: Vec<f64> = found.own[number].iter().map(|one| one.rules[0].of_means[group]).collect();
            row.extend([single, own].map(|x| format!("{:.2}", Mean::of(&x).mean)));
        }
        rows.push(row);
    }
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    report.table(
        "Cosines with the exact gradient, means over seeds: after parts of training by the exact gradient; the median over single trials at \
         its end; and at the end of the training by the rule itself.",
        &head,
        rows,
    );
    Ok(())
}

/// How a rule is drawn. The seventh colour is the black of the exact gradient.
fn style_of(rule: usize) -> Style {
    match rule.checked_sub(1) {
        Some(at) if at < 6 => Style::new(cycle(at)),
        at => Style::new(cycle(at.unwrap_or_default() % 6)).dashed(),
    }
}

/// A name as plots write it.
fn subscript(name: &str) -> String {
    match name.split_once('_') {
        Some((main, below)) => format!("{main}_{{{below}}}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_the_figures() {
        assert_eq!(word(1.2), "as well as the exact gradient");
        assert_eq!([0.9, 0.5, 0.2].map(word), ["nearly as well", "in part", "a little"]);
        assert_eq!([0.0, -3.0, f64::NAN].map(word), [NOTHING; 3]);
    }

    #[test]
    fn ranks_are_compared_and_not_values() {
        assert!((rank_correlation(&[1.0, 2.0, 100.0], &[-5.0, 0.0, 0.1]) - 1.0).abs() < 1e-12);
        assert!((rank_correlation(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
        assert!(rank_correlation(&[1.0, 1.0], &[1.0, 2.0]).is_nan());
    }
}
