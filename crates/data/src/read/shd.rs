//! Spike events in the layout of the Heidelberg data sets SHD and SSC: an HDF5 file with
//!
//! - `spikes/times`: for each sample, the times of its spikes, in the unit of time of the options; the published files have seconds;
//! - `spikes/units`: for each sample, the channels of its spikes, counted from 0; the published files have 700 channels;
//! - `labels`: the class of each sample, counted from 0, if it is there;
//! - `targets/times` and `targets/units`: for each sample, the times and outputs of its target spikes, if they are there in place of
//!   `labels`;
//! - `extra/keys`: the names of the classes, if they are there.

use super::hdf5::{Data, File};
use super::labels;
use super::options::ReadOptions;
use super::spike_lists::SpikeLists;
use super::target_trains;
use crate::{Dataset, Error, Inputs, Targets};

pub(super) fn read(bytes: &[u8], options: &ReadOptions) -> Result<Dataset, Error> {
    let file = File::new(bytes)?;
    let ms = options.time_unit.ms();
    let (times, units) = sequences(&file, ["spikes/times", "spikes/units"])?;
    let samples = times.len();
    let mut lists = SpikeLists::inputs(samples, "spikes/units");
    fill(&mut lists, times, units, ms)?;
    let inputs = lists.finish(options.channels, options.duration)?;
    let classes = match (&options.classes, file.find("extra/keys")?) {
        (Some(classes), _) => Some(classes.clone()),
        (None, Some(keys)) => Some(keys.strings()?),
        (None, None) => None,
    };
    let labels = match file.find("labels")? {
        Some(labels) => labels::from_numbers(&labels.i64s()?, classes.as_deref())?,
        None => Targets::None,
    };
    let trains = (file.find("targets/times")?, file.find("targets/units")?);
    let targets = match trains {
        (None, None) => labels,
        _ if labels != Targets::None => return Err(target_trains::both("targets/times")),
        _ => {
            let (times, units) = sequences(&file, ["targets/times", "targets/units"])?;
            Error::same_count("samples in `targets/times`", samples, times.len())?;
            let mut lists = SpikeLists::targets(samples, "targets/units");
            fill(&mut lists, times, units, ms)?;
            lists.durations(target_trains::durations(&inputs));
            Targets::Spikes(lists.finish(options.outputs, None)?)
        }
    };
    Dataset::new(Inputs::Spikes(inputs), targets)
}

/// The times and channels of the spikes of each sample.
type Sequences = (Vec<Vec<f64>>, Vec<Vec<i64>>);

fn sequences(file: &File<'_>, [times, units]: [&str; 2]) -> Result<Sequences, Error> {
    let times = needed(file, times)?.f64_sequences()?;
    let found = needed(file, units)?.i64_sequences()?;
    let what =
        if units.starts_with("targets") { "samples in `targets/units`" } else { "samples in `spikes/units`" };
    Error::same_count(what, times.len(), found.len())?;
    Ok((times, found))
}

/// Adds the spikes of each sample to its list.
fn fill(
    lists: &mut SpikeLists<'_>,
    times: Vec<Vec<f64>>,
    units: Vec<Vec<i64>>,
    ms: f64,
) -> Result<(), Error> {
    for (sample, (times, units)) in times.into_iter().zip(units).enumerate() {
        Error::same_count("channels of spikes", times.len(), units.len())
            .map_err(|error| lists.within(sample, error))?;
        for (time, unit) in times.into_iter().zip(units) {
            lists.push(sample, time * ms, unit)?;
        }
    }
    Ok(())
}

fn needed<'a>(file: &File<'a>, path: &str) -> Result<Data<'a>, Error> {
    let present = || -> Result<String, Error> { Ok(file.names()?.join(", ")) };
    match file.find(path)? {
        Some(data) => Ok(data),
        None => Err(Error::MissingArray { name: path.to_owned(), present: present()? }),
    }
}
