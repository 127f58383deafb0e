//! Encoders: from series to currents or spikes.
//!
//! | encoder | gives | channels |
//! |---|---|---|
//! | [`Current`] | a series, scaled | as the input |
//! | [`Latency`] | one spike a channel, earlier for larger values | as the input |
//! | [`Rate`] | Poisson spikes | as the input |
//! | [`LevelCrossing`] | a spike for each level that is crossed | `c` upwards, `C + c` downwards |

mod current;
mod latency;
mod level_crossing;
mod rate;

use serde::{Deserialize, Serialize};

pub use current::Current;
pub use latency::Latency;
pub use level_crossing::LevelCrossing;
pub use rate::Rate;

use crate::{Dataset, Error, Inputs};

/// An encoder with its numbers, as a file of settings names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Encoder {
    /// Series stay series.
    Current(Current),
    /// One spike a channel.
    Latency(Latency),
    /// Poisson spikes.
    Rate(Rate),
    /// Spikes at level crossings.
    LevelCrossing(LevelCrossing),
}

impl Encoder {
    /// The data set with its inputs encoded. The targets stay as they are.
    ///
    /// ```
    /// use spikegrad_data::encode::{Encoder, Latency};
    ///
    /// let points = spikegrad_data::yin_yang(100, 1)?;
    /// let spikes = Encoder::Latency(Latency { earliest: 1.0, latest: 20.0, duration: 30.0, ..Latency::default() }).apply(&points)?;
    /// assert_eq!((spikes.channels(), spikes.len()), (4, 100));
    /// # Ok::<(), spikegrad_data::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the inputs are not series, a number of the encoder is out of its domain, or an encoder that needs the interval between time
    /// points is used on a data set that has none.
    pub fn apply(&self, data: &Dataset) -> Result<Dataset, Error> {
        let all = data.series("encoding")?;
        // Only rates and level crossings need it.
        let interval = || data.interval().ok_or(Error::NoInterval);
        let each = all.iter();
        let inputs = match self {
            Self::Current(encoder) => {
                Inputs::Series(each.map(|series| encoder.encode(series)).collect::<Result<_, _>>()?)
            }
            Self::Latency(encoder) => Inputs::Spikes(collect(each.map(|series| encoder.encode(series)))?),
            Self::Rate(encoder) => {
                let interval = interval()?;
                let each = each.zip(0..).map(|(series, sample)| encoder.encode(series, interval, sample));
                Inputs::Spikes(collect(each)?)
            }
            Self::LevelCrossing(encoder) => {
                let interval = interval()?;
                Inputs::Spikes(collect(each.map(|series| encoder.encode(series, interval)))?)
            }
        };
        data.with_inputs(inputs)
    }
}

/// All results, or the first error with its sample.
fn collect<T>(results: impl Iterator<Item = Result<T, Error>>) -> Result<Vec<T>, Error> {
    results.enumerate().map(|(sample, result)| result.map_err(|error| error.in_sample(sample))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Series, Targets};

    #[test]
    fn settings_name_encoders() {
        let encoder: Encoder = serde_json::from_str(r#"{"kind": "latency", "latest": 10.0}"#).unwrap();
        assert_eq!(encoder, Encoder::Latency(Latency { latest: 10.0, ..Latency::default() }));
        assert!(serde_json::from_str::<Encoder>(r#"{"kind": "latency", "lastest": 10.0}"#).is_err());
        assert!(serde_json::from_str::<Encoder>(r#"{"kind": "level-crossing"}"#).is_err());
    }

    #[test]
    fn an_interval_is_needed_where_time_passes() {
        let inputs = Inputs::Series(vec![Series::new(1, vec![0.0, 1.0]).unwrap()]);
        let data = Dataset::new(inputs, Targets::None).unwrap();
        let encoders = [Encoder::Rate(Rate::default()), Encoder::LevelCrossing(LevelCrossing { delta: 0.5 })];
        for encoder in encoders {
            assert!(matches!(encoder.apply(&data), Err(Error::NoInterval)));
            let encoded = encoder.apply(&data.clone().with_interval(2.0).unwrap()).unwrap();
            assert!(matches!(encoded.inputs(), Inputs::Spikes(all) if all[0].duration() == 4.0));
        }
        assert_eq!(Encoder::Current(Current::default()).apply(&data).unwrap(), data);
        let error = Encoder::Latency(Latency::default()).apply(&data).unwrap_err().to_string();
        assert_eq!(error, "sample 0: 2 time points to encode as latencies, expected 1");
    }
}
