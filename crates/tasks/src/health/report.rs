//! A report for a terminal: the figures, then what to change.

use std::fmt;

use super::{Health, Quantiles};

/// A number in few characters.
fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-3..1e4).contains(&size) {
        let decimals = if size >= 100.0 {
            0
        } else if size >= 1.0 {
            2
        } else {
            4
        };
        format!("{value:.decimals$}")
    } else {
        format!("{value:.1e}")
    }
}

fn or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), short)
}

/// A count with its noun.
fn counted(count: usize, of: &str) -> String {
    if count == 1 { format!("1 {of}") } else { format!("{count} {of}s") }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} with steps of {} ms", counted(self.trials, "trial"), self.h)?;
        self.write_data(f)?;
        self.write_cost(f)?;
        self.write_neurons(f)?;
        self.write_gradients(f)?;
        self.write_learning(f)?;
        let findings = self.findings();
        if findings.is_empty() {
            return writeln!(f, "\nnothing is found that would keep the network from learning");
        }
        writeln!(f, "\n{}", counted(findings.len(), "finding"))?;
        findings
            .iter()
            .zip(1..)
            .try_for_each(|(finding, number)| write_wrapped(f, number, &finding.to_string()))
    }
}

impl Health {
    fn write_data(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = &self.data;
        write!(f, "data       {}, {}", counted(data.trials, "trial"), counted(data.inputs, "input channel"))?;
        let idle = data.zero_inputs.len() + data.constant_inputs.len();
        if idle > 0 {
            write!(f, " ({} zero, {} constant)", data.zero_inputs.len(), data.constant_inputs.len())?;
        }
        if data.channels > 0 {
            write!(f, ", {} of events", counted(data.channels, "channel"))?;
        }
        if let Some(classes) = &data.classes {
            let counts: Vec<String> = classes.iter().take(12).map(usize::to_string).collect();
            let more = if classes.len() > counts.len() { " ..." } else { "" };
            write!(f, ", trials by class {}{more}", counts.join(" "))?;
        }
        writeln!(f)
    }

    fn write_cost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(cost) = &self.cost else { return writeln!(f, "cost       in no trial finite") };
        write!(f, "cost       {}, with readouts of zero {}", short(cost.mean), or_dash(cost.guessing))?;
        if let Some(held_out) = cost.held_out {
            write!(f, "; held-out trials {}, {}", short(held_out), or_dash(cost.held_out_guessing))?;
        }
        writeln!(f)?;
        let percent =
            |part: Option<f64>| part.map_or_else(|| "-".to_owned(), |part| format!("{:.2} %", 100.0 * part));
        let (inputs, halved) = (percent(cost.without_inputs), percent(cost.halved));
        writeln!(f, "           changes by {inputs} without inputs, by {halved} with half the step")
    }

    fn write_neurons(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = &self.events;
        let percent = |share: f64| 100.0 * share;
        writeln!(
            f,
            "spikes     {}; {:.0} % of crossings short, {:.0} % of spikes grazing, steepest upstroke {}; {} silent",
            events.spikes,
            percent(events.short_crossing_share()),
            percent(events.grazing_share()),
            short(events.upstroke),
            counted(self.silent_trials, "trial"),
        )?;
        if self.populations.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n{:<18}{:>8}{:>24}{:>10}{:>8}{:>8}{:>8}{:>8}",
            "population", "neurons", "rate, Hz: min med max", "in zone", "never", "never", "satu-", "graz-"
        )?;
        writeln!(
            f,
            "{:<18}{:>8}{:>24}{:>10}{:>8}{:>8}{:>8}{:>8}",
            "", "", "", "median", "active", "spike", "rated", "ing"
        )?;
        for found in &self.populations {
            let Quantiles { min, median, max, .. } = found.rates;
            writeln!(
                f,
                "{:<18}{:>8}{:>24}{:>8.0} %{:>8}{:>8}{:>8}{:>8}",
                found.name,
                found.neurons,
                format!("{min:.1} {median:.1} {max:.1}"),
                percent(found.zone.median),
                found.never_active,
                found.never_spike,
                found.saturated,
                found.grazing,
            )?;
        }
        Ok(())
    }

    fn write_gradients(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.groups.is_empty() {
            writeln!(
                f,
                "\n{:<18}{:>36}{:>6}{:>9}{:>18}",
                "gradient", "norm: min 25% med 75% max", "zero", "clip", "half the step"
            )?;
            writeln!(f, "{:<18}{:>36}{:>6}{:>9}{:>9}{:>9}", "", "", "", "leaves", "cosine", "norm")?;
        }
        for group in &self.groups {
            let norms = group.norms.map_or_else(
                || "-".to_owned(),
                |n| [n.min, n.lower, n.median, n.upper, n.max].map(|norm| format!("{norm:.0e}")).join(" "),
            );
            let clipped =
                group.clipped.map_or_else(|| "-".to_owned(), |c| format!("{:.0} %", 100.0 * c.left));
            writeln!(
                f,
                "{:<18}{:>36}{:>6}{:>9}{:>9}{:>9}",
                group.name,
                norms,
                format!("{}/{}", group.zero, group.trials),
                clipped,
                group.cosine.map_or_else(|| "-".to_owned(), |cosine| format!("{cosine:.3}")),
                group.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("x{ratio:.2}")),
            )?;
        }
        let found = &self.cotangents;
        if let Some(growth) = found.growth.map(|growth| growth.median) {
            let (grows, time) = (if growth > 0.0 { "grows" } else { "decays" }, short(1.0 / growth.abs()));
            let foldings = short((growth * found.duration).abs());
            writeln!(f, "back in time a gradient {grows} by e every {time} ms, {foldings} times in a trial")?;
        }
        if let Some(reach) = found.reach {
            writeln!(
                f,
                "the cost depends on the voltages from {} of {} ms on",
                short(reach),
                short(found.duration)
            )?;
        }
        Ok(())
    }

    fn write_learning(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(found) = &self.learning else { return Ok(()) };
        writeln!(
            f,
            "\nlearning   one step takes the cost of {} from {} to {}",
            counted(found.trials, "trial"),
            short(found.before),
            or_dash(found.after)
        )?;
        for fit in &found.fits {
            let (steps, cost, factor) = (found.steps, short(fit.cost), fit.factor);
            writeln!(f, "           at most {steps} steps to {cost} with {factor} times the learning rates")?;
        }
        let size =
            |size: Option<f64>| size.map_or_else(|| "-".to_owned(), |size| format!("{:.1} %", 100.0 * size));
        let updates: Vec<String> =
            found.updates.iter().map(|update| format!("{} {}", update.group, size(update.size))).collect();
        if updates.is_empty() {
            Ok(())
        } else {
            writeln!(f, "           the step is of the size: {}", updates.join(", "))
        }
    }
}

/// Writes a numbered paragraph in lines of at most 100 characters.
fn write_wrapped(f: &mut fmt::Formatter<'_>, number: usize, text: &str) -> fmt::Result {
    const WIDTH: usize = 100;
    write!(f, "{number:>2}.")?;
    let mut column = 3;
    for word in text.split(' ') {
        let length = word.chars().count() + 1;
        if column + length > WIDTH {
            write!(f, "\n   ")?;
            column = 3;
        }
        write!(f, " {word}")?;
        column += length;
    }
    writeln!(f)
}
