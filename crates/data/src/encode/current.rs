//! Series as currents.

use serde::{Deserialize, Serialize};

use crate::{Error, Series};

/// Scales values into currents, `current = gain x + offset`. Series stay series, channels stay channels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Current {
    /// What values are multiplied by.
    pub gain: f64,
    /// The current of value 0.
    pub offset: f64,
}

impl Default for Current {
    /// Values are currents as they are.
    fn default() -> Self {
        Self { gain: 1.0, offset: 0.0 }
    }
}

impl Current {
    /// The currents of a series.
    ///
    /// # Errors
    /// If the gain or the offset is not finite.
    pub fn encode(&self, series: &Series) -> Result<Series, Error> {
        Error::unless(self.gain.is_finite(), "gain", self.gain, "give a finite number")?;
        Error::unless(self.offset.is_finite(), "offset", self.offset, "give a finite number")?;
        Ok(series.map(|_, x| (self.gain * f64::from(x) + self.offset) as f32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_scaled() {
        let series = Series::new(2, vec![0.0, 1.0, -1.0, 2.0]).unwrap();
        let currents = Current { gain: 2.0, offset: 0.5 }.encode(&series).unwrap();
        assert_eq!(currents, Series::new(2, vec![0.5, 2.5, -1.5, 4.5]).unwrap());
        assert_eq!(Current::default().encode(&series).unwrap(), series);
        assert!(Current { gain: f64::NAN, offset: 0.0 }.encode(&series).is_err());
    }
}
