//! Spikes of all samples while they are gathered from a file.

use crate::{Error, SpikeEvents};

/// Spikes of each sample, with the channels and durations that are found.
#[derive(Debug)]
pub(super) struct SpikeLists<'a> {
    lists: Vec<Vec<(f64, u32)>>,
    largest: u32,
    last: f64,
    durations: Vec<f64>,
    /// The array of channels, in messages.
    units: &'a str,
    /// Whether the spikes are targets, in messages.
    are_targets: bool,
}

impl<'a> SpikeLists<'a> {
    /// Lists of inputs; `units` is the name of the array of channels.
    pub(super) fn inputs(samples: usize, units: &'a str) -> Self {
        let lists = vec![Vec::new(); samples];
        Self { lists, largest: 0, last: 0.0, durations: Vec::new(), units, are_targets: false }
    }

    /// Lists of targets; `units` is the name of the array of outputs.
    pub(super) fn targets(samples: usize, units: &'a str) -> Self {
        Self { are_targets: true, ..Self::inputs(samples, units) }
    }

    /// Number of samples.
    pub(super) fn samples(&self) -> usize {
        self.lists.len()
    }

    /// Adds a spike at `time`, ms, to a sample that must be there.
    pub(super) fn push(&mut self, sample: usize, time: f64, unit: i64) -> Result<(), Error> {
        let position = self.lists[sample].len();
        let channel = u32::try_from(unit).ok().filter(|unit| *unit < u32::MAX);
        let Some(channel) = channel else {
            let found = format!("{unit} at spike {position}");
            let expected = "numbers of channels from 0 to 2^32 - 2".to_owned();
            return Err(self.within(sample, Error::Array { name: self.units.to_owned(), found, expected }));
        };
        if !time.is_finite() {
            let channel = channel as usize;
            return Err(self.within(sample, Error::NonFinite { channel, position, value: time }));
        }
        self.largest = self.largest.max(channel);
        self.last = self.last.max(time);
        self.lists[sample].push((time, channel));
        Ok(())
    }

    /// An error as one of a sample, and of its target where these are targets.
    pub(super) fn within(&self, sample: usize, error: Error) -> Error {
        if self.are_targets { error.in_target().in_sample(sample) } else { error.in_sample(sample) }
    }

    /// Sets the durations that the file has, ms: one, or one for each sample.
    pub(super) fn durations(&mut self, durations: Vec<f64>) {
        self.durations = durations;
    }

    /// The spike events, sorted. `channels` and `duration` come before those of the file.
    pub(super) fn finish(
        mut self,
        channels: Option<usize>,
        duration: Option<f64>,
    ) -> Result<Vec<SpikeEvents>, Error> {
        let channels = channels.unwrap_or(self.largest as usize + 1);
        if duration.is_none() && self.durations.is_empty() && self.last <= 0.0 {
            let what =
                "a file of spikes without a duration, and without a spike after time 0 that would tell one"
                    .to_owned();
            return Err(Error::Unsupported { what, change: "give `duration`".to_owned() });
        }
        let lists = std::mem::take(&mut self.lists);
        let mut events = Vec::with_capacity(lists.len());
        for (sample, spikes) in lists.into_iter().enumerate() {
            let of_file = self.durations.get(sample).or(self.durations.first()).copied();
            let duration = duration.or(of_file).unwrap_or(self.last);
            let one = SpikeEvents::from_unsorted(channels, duration, spikes);
            events.push(one.map_err(|error| self.within(sample, error))?);
        }
        Ok(events)
    }
}
