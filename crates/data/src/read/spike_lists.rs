//! Spikes of all samples while they are gathered from a file.

use super::options::ReadOptions;
use crate::{Error, Inputs, SpikeEvents};

/// Spikes of each sample, with the channels and durations that are found.
#[derive(Debug)]
pub(super) struct SpikeLists {
    lists: Vec<Vec<(f64, u32)>>,
    largest: u32,
    last: f64,
    durations: Vec<f64>,
}

impl SpikeLists {
    pub(super) fn new(samples: usize) -> Self {
        Self { lists: vec![Vec::new(); samples], largest: 0, last: 0.0, durations: Vec::new() }
    }

    /// Adds a spike at `time`, ms, to a sample that must be there.
    pub(super) fn push(&mut self, sample: usize, time: f64, unit: i64) -> Result<(), Error> {
        let position = self.lists[sample].len();
        let channel = u32::try_from(unit).ok().filter(|unit| *unit < u32::MAX);
        let Some(channel) = channel else {
            let found = format!("{unit} at spike {position}");
            let expected = "numbers of channels from 0 to 2^32 - 2".to_owned();
            return Err(Error::Array { name: "units".to_owned(), found, expected }.in_sample(sample));
        };
        if !time.is_finite() {
            let channel = channel as usize;
            return Err(Error::NonFinite { channel, position, value: time }.in_sample(sample));
        }
        self.largest = self.largest.max(channel);
        self.last = self.last.max(time);
        self.lists[sample].push((time, channel));
        Ok(())
    }

    /// Sets the durations that the file has, ms: one, or one for each sample.
    pub(super) fn durations(&mut self, durations: Vec<f64>) {
        self.durations = durations;
    }

    /// The spike events, sorted. The options' channels and duration come before those of the file.
    pub(super) fn finish(self, options: &ReadOptions) -> Result<Inputs, Error> {
        let channels = options.channels.unwrap_or(self.largest as usize + 1);
        if options.duration.is_none() && self.durations.is_empty() && self.last <= 0.0 {
            let what =
                "a file of spikes without a duration, and without a spike after time 0 that would tell one"
                    .to_owned();
            return Err(Error::Unsupported { what, change: "give `duration`".to_owned() });
        }
        let mut events = Vec::with_capacity(self.lists.len());
        for (sample, spikes) in self.lists.into_iter().enumerate() {
            let of_file = self.durations.get(sample).or(self.durations.first()).copied();
            let duration = options.duration.or(of_file).unwrap_or(self.last);
            let one = SpikeEvents::from_unsorted(channels, duration, spikes);
            events.push(one.map_err(|error| error.in_sample(sample))?);
        }
        Ok(Inputs::Spikes(events))
    }
}
