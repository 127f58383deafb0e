//! Spike events in the layout of the Heidelberg data sets SHD and SSC: an HDF5 file with
//!
//! - `spikes/times`: for each sample, the times of its spikes, in the unit of time of the options; the published files have seconds;
//! - `spikes/units`: for each sample, the channels of its spikes, counted from 0; the published files have 700 channels;
//! - `labels`: the class of each sample, counted from 0, if it is there;
//! - `extra/keys`: the names of the classes, if they are there.

use super::hdf5::{Data, File};
use super::labels;
use super::options::ReadOptions;
use super::spike_lists::SpikeLists;
use crate::{Dataset, Error, Targets};

pub(super) fn read(bytes: &[u8], options: &ReadOptions) -> Result<Dataset, Error> {
    let file = File::new(bytes)?;
    let times = needed(&file, "spikes/times")?.f64_sequences()?;
    let units = needed(&file, "spikes/units")?.i64_sequences()?;
    let samples = times.len();
    if units.len() != samples {
        return Err(Error::Count {
            what: "samples in `spikes/units`",
            expected: samples,
            found: units.len(),
        });
    }
    let mut lists = SpikeLists::new(samples);
    for (sample, (times, units)) in times.into_iter().zip(units).enumerate() {
        if times.len() != units.len() {
            let error =
                Error::Count { what: "channels of spikes", expected: times.len(), found: units.len() };
            return Err(error.in_sample(sample));
        }
        for (time, unit) in times.into_iter().zip(units) {
            lists.push(sample, time * options.time_unit.ms(), unit)?;
        }
    }
    let inputs = lists.finish(options)?;
    let classes = match (&options.classes, file.find("extra/keys")?) {
        (Some(classes), _) => Some(classes.clone()),
        (None, Some(keys)) => Some(keys.strings()?),
        (None, None) => None,
    };
    let targets = match file.find("labels")? {
        Some(labels) => labels::from_numbers(&labels.i64s()?, classes.as_deref())?,
        None => Targets::None,
    };
    Dataset::new(inputs, targets)
}

fn needed<'a>(file: &File<'a>, path: &str) -> Result<Data<'a>, Error> {
    let present = || -> Result<String, Error> { Ok(file.names()?.join(", ")) };
    match file.find(path)? {
        Some(data) => Ok(data),
        None => Err(Error::MissingArray { name: path.to_owned(), present: present()? }),
    }
}
