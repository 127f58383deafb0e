//! Losses by their names, as the settings of the command have them.

use spikegrad::tasks::LossSettings;

use crate::error::Error;

/// The loss of a JSON object.
pub(crate) fn read(text: &str) -> Result<LossSettings, Error> {
    serde_json::from_str(text).map_err(|error| Error::Text { what: "the loss", why: error.to_string() })
}
