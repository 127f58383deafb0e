//! What the neurons of each population do: rates, time in the active zone, grazing spikes.

use std::ops::AddAssign;

use spikegrad_integrators::{EventCounts, EventLog, RESOLVED_STEPS, Step};
use spikegrad_network::{Error as NetworkError, Network, Scalar, SplitRun};

use super::Quantiles;
use super::thresholds::{GRAZING_NEURON, LONG_IN_ZONE, SATURATED_RATE};
use crate::Error;

/// What the neurons of a population do. Populations that never spike are left out.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct PopulationHealth {
    /// The population's name.
    pub name: String,
    /// Number of neurons.
    pub neurons: usize,
    /// Firing rates of the neurons over all trials, Hz.
    pub rates: Quantiles,
    /// The highest rate at which spikes are resolved, with three steps in the active zone after the refractory time, Hz.
    pub most: f64,
    /// Share of time that the neurons are in the active zone or release charge.
    pub zone: Quantiles,
    /// Neurons that never enter the active zone.
    pub never_active: usize,
    /// Neurons that enter the active zone and never spike.
    pub never_spike: usize,
    /// Neurons that fire at [`SATURATED_RATE`] of `most` or faster.
    pub saturated: usize,
    /// Neurons that are in the active zone for more than [`LONG_IN_ZONE`] of the time.
    pub long_in_zone: usize,
    /// Neurons more than [`GRAZING_NEURON`] of whose spikes graze the threshold.
    pub grazing: usize,
}

/// What each neuron of a network did in some trials.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity {
    spikes: Vec<u64>,
    /// Steps in the active zone.
    zone: Vec<u64>,
    grazing: Vec<u64>,
    steps: u64,
    /// ms.
    time: f64,
    pub(super) events: EventCounts,
    pub(super) silent: usize,
}

impl AddAssign<&Self> for Activity {
    fn add_assign(&mut self, other: &Self) {
        for (all, more) in [
            (&mut self.spikes, &other.spikes),
            (&mut self.zone, &other.zone),
            (&mut self.grazing, &other.grazing),
        ] {
            all.resize(more.len().max(all.len()), 0);
            all.iter_mut().zip(more).for_each(|(all, more)| *all = all.saturating_add(*more));
        }
        self.steps += other.steps;
        self.time += other.time;
        self.events += other.events;
        self.silent += other.silent;
    }
}

impl Activity {
    /// Runs a trial forwards; the error of a trial that does not stay finite is in words.
    pub(super) fn of<T: Scalar>(run: &SplitRun<'_, T>) -> Result<Result<Self, String>, Error> {
        let neurons = run.network().neurons();
        let zeros = || vec![0_u64; neurons];
        let (mut spikes, mut zone, mut log) = (zeros(), zeros(), EventLog::default());
        let ran = run.watch(|n, _, tape| {
            run.log_crossings(n..n + 1, tape, &mut log);
            run.last_spikes(tape, |neuron, count| spikes[neuron] = spikes[neuron].saturating_add(count));
            // The channels of sources follow the neurons.
            tape.last_charges()
                .take_while(|(neuron, _)| *neuron < neurons)
                .for_each(|(neuron, _)| zone[neuron] += 1);
        });
        match ran {
            Err(NetworkError::Diverged(why)) => return Ok(Err(why.to_string())),
            ran => ran?,
        };
        let silent = usize::from(spikes.iter().all(|&spikes| spikes == 0));
        let grazing = (0..neurons).map(|neuron| log.grazing_of(neuron)).collect();
        let (steps, time, events) = (run.steps() as u64, run.time(run.steps()) - run.time(0), log.counts());
        Ok(Ok(Self { spikes, zone, grazing, steps, time, events, silent }))
    }

    /// The same by population, for steps of `h` ms.
    pub(super) fn by_population<T: Scalar>(&self, network: &Network<T>, h: f64) -> Vec<PopulationHealth> {
        if self.steps == 0 {
            return Vec::new();
        }
        let described = network.outline().populations;
        let spiking =
            network.populations().zip(described).filter(|(_, population)| population.gate.is_some());
        let populations = spiking.filter_map(|((name, range), _)| {
            // The name that models with a refractory time have for it.
            let waits = network.parameters.get(&format!("{name}.t_ref")).unwrap_or_default().iter();
            let wait =
                waits.map(|&wait| -> f64 { wait.to_subset_unchecked() }).reduce(f64::min).unwrap_or(0.0);
            let most = 1000.0 / (wait + f64::from(RESOLVED_STEPS) * h);
            let rate = |neuron: usize| 1000.0 * self.spikes[neuron] as f64 / self.time;
            let zone = |neuron: usize| self.zone[neuron] as f64 / self.steps as f64;
            let count = |is: &dyn Fn(usize) -> bool| range.clone().filter(|&neuron| is(neuron)).count();
            let grazes =
                |neuron: usize| self.grazing[neuron] as f64 > GRAZING_NEURON * self.spikes[neuron] as f64;
            Some(PopulationHealth {
                name: name.to_owned(),
                neurons: range.len(),
                rates: Quantiles::of(range.clone().map(rate))?,
                most,
                zone: Quantiles::of(range.clone().map(zone))?,
                never_active: count(&|neuron| self.zone[neuron] == 0),
                never_spike: count(&|neuron| self.zone[neuron] > 0 && self.spikes[neuron] == 0),
                saturated: count(&|neuron| rate(neuron) >= SATURATED_RATE * most),
                long_in_zone: count(&|neuron| zone(neuron) > LONG_IN_ZONE),
                grazing: count(&grazes),
            })
        });
        populations.collect()
    }
}
