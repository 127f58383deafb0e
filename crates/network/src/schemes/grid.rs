//! How the time of a run is divided, and whether a trial fits a network, a step and a loss.

use spikegrad_models::math::real;

use crate::{Error, Event, Group, Loss, Network, Scalar, Spike, Trial, memory};

/// The most steps of a trial: up to here all whole numbers are floating-point numbers, too.
pub(crate) const MOST_STEPS: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;

/// A step size in the network's float type.
pub(crate) fn step_size<T: Scalar>(h: f64) -> Result<T, Error> {
    if !(h > 0.0 && h.is_finite()) {
        return Err(Error::NotPositive { what: "step size h".into(), value: h });
    }
    represented("step size h", h, real(h))
}

/// `number`, which stands for `value` in the network's float type, unless it is another one.
fn represented<T: Scalar>(what: &'static str, value: f64, number: T) -> Result<T, Error> {
    let rounded: f64 = number.to_subset_unchecked();
    // Much more than any rounding, much less than what is lost where numbers underflow or overflow.
    if (rounded - value).abs() <= 1e-6 * value.abs() && rounded != 0.0 {
        Ok(number)
    } else {
        Err(Error::Unrepresentable { what, value, rounded })
    }
}

/// How the time of a run is divided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid<T> {
    pub(crate) h: T,
    /// Steps in a sample.
    pub(crate) hold: usize,
    /// What the loss is multiplied by, `h / scale`.
    pub(crate) weight: T,
}

impl<T: Scalar> Grid<T> {
    /// The grid of a trial that fits the network, the step `h` and the loss.
    pub(crate) fn new(
        network: &Network<T>,
        h: T,
        trial: &Trial<T>,
        loss: &dyn Loss<T>,
    ) -> Result<Self, Error> {
        let positive = |what: &str, value: f64| {
            let what = what.to_owned();
            if value > 0.0 && value.is_finite() { Ok(()) } else { Err(Error::NotPositive { what, value }) }
        };
        positive("the trial's sample interval", trial.interval)?;
        positive("the trial's scale", trial.scale)?;
        let step: f64 = h.to_subset_unchecked();
        let hold = (trial.interval / step).round();
        // Both were rounded to the float type, which is what the tolerance allows for.
        if hold < 1.0 || (trial.interval / step - hold).abs() > 1e-5 * hold {
            return Err(Error::Interval { interval: trial.interval, h: step });
        }
        if trial.samples == 0 {
            return Err(Error::Empty { what: "sample in the trial" });
        }
        let (samples, interval) = (trial.samples, trial.interval);
        let steps = samples as f64 * hold;
        if !(steps <= MOST_STEPS.min(isize::MAX as f64)) {
            return Err(Error::Steps { samples, interval, h: step, steps });
        }
        // The product of samples and another size, which need not be a number of this machine.
        let entries = |what: &str, width: usize| {
            memory::check(what, memory::bytes::<T>(&[samples, width]), usize::MAX).map(|()| samples * width)
        };
        let check = |what: &str, values: &[T], expected: usize, optional: bool| {
            if values.len() != expected && !(optional && values.is_empty()) {
                return Err(Error::Shape { what: what.into(), expected, found: values.len() });
            }
            // Without a branch for each: long trials have many.
            if values.iter().fold(true, |finite, x| finite & x.is_finite()) {
                return Ok(());
            }
            let index = values.iter().position(|x| !x.is_finite()).unwrap_or_default();
            Err(Error::NonFinite { what: what.into(), index })
        };
        let (inputs, targets) =
            ("the trial's inputs (samples x inputs)", "the trial's targets (samples x outputs)");
        check(inputs, &trial.inputs, entries(inputs, network.inputs)?, false)?;
        if !trial.targets.is_empty() {
            check(targets, &trial.targets, entries(targets, network.outputs)?, true)?;
        }
        if loss.needs_targets() && trial.targets.is_empty() && network.outputs > 0 {
            return Err(Error::NoTargets);
        }
        if let Some(over_run) = loss.over_run() {
            over_run.check(network.neurons, network.outputs)?;
            let labels = over_run.labels(network.outputs);
            check("the trial's label (what the loss compares the run with)", &trial.label, labels, false)?;
            over_run.check_label(&trial.label, network.outputs)?;
        }
        check("the trial's weights (samples)", &trial.weights, trial.samples, true)?;
        if !trial.currents.is_empty() {
            let currents = "the trial's injected currents (samples x N)";
            check(currents, &trial.currents, entries(currents, network.neurons)?, false)?;
        }
        check_events(network, &trial.events, trial.duration())?;
        check_target_spikes(network, &trial.target_spikes, trial.duration())?;
        if let Some(initial) = &trial.initial {
            if trial.state.is_some() {
                return Err(Error::TwoStarts);
            }
            if network.is_trainable(Group::Initial) {
                return Err(Error::InitialState);
            }
            network.check_initial(&initial.x)?;
            let what = "the trial's initial traces (projections x presynaptic neurons)";
            check(what, &initial.s, network.traces, true)?;
        }
        let scale: T = represented("the trial's scale", trial.scale, real(trial.scale))?;
        let weight =
            represented("the weight of a step in the cost, h / scale,", step / trial.scale, h / scale)?;
        Ok(Self { h, hold: hold as usize, weight })
    }
}

/// The step of `h` ms that a time lies in. A time that is a multiple of the step, to rounding, lies in the step that starts there.
pub(crate) fn step_of(time: f64, h: f64) -> f64 {
    (time / h + 1e-9).floor()
}

/// Refuses events that are out of order, out of time, of no channel or without a finite charge.
pub(crate) fn check_events<T: Scalar>(
    network: &Network<T>,
    events: &[Event<T>],
    duration: f64,
) -> Result<(), Error> {
    let mut last = 0.0;
    for (index, event) in events.iter().enumerate() {
        let why = if !(0.0..duration).contains(&event.time) {
            let time = event.time;
            format!("is at {time} ms, not from 0 to less than {duration}: move it into the trial")
        } else if event.time < last {
            format!("is at {} ms, after one at {last} ms: sort the events by time", event.time)
        } else if event.channel as usize >= network.channels {
            let channels = network.channels;
            format!(
                "is of channel {}, but there are {channels}: give the network another source",
                event.channel
            )
        } else if !event.charge.is_finite() {
            "has a charge that is not finite: give it another one".into()
        } else {
            last = event.time;
            continue;
        };
        return Err(Error::Event { index, why });
    }
    Ok(())
}

/// Refuses target spikes that are out of order, out of time, or of no neuron.
fn check_target_spikes<T: Scalar>(
    network: &Network<T>,
    spikes: &[Spike],
    duration: f64,
) -> Result<(), Error> {
    let mut last = 0.0;
    for (index, spike) in spikes.iter().enumerate() {
        // A spike may be located at the end of the last step.
        let why = if !(0.0..=duration).contains(&spike.time) {
            let time = spike.time;
            format!("is at {time} ms, not from 0 to {duration}: move it into the trial")
        } else if spike.time < last {
            format!("is at {} ms, after one at {last} ms: sort the spikes by time", spike.time)
        } else if spike.neuron >= network.neurons {
            let last = network.neurons - 1;
            format!(
                "is of neuron {}, but the last one is {last}: choose a neuron of the network",
                spike.neuron
            )
        } else {
            last = spike.time;
            continue;
        };
        return Err(Error::TargetSpike { index, why });
    }
    Ok(())
}
