//! The settings that a training keeps beside its network, with a fingerprint of the data, and what may not differ from them when the training
//! goes on or is judged.

use std::fmt::Write as _;
use std::path::PathBuf;

use spikegrad::prelude::*;
use spikegrad::tasks;

use crate::Error;
use crate::prepare::Prepared;

/// What kept settings begin with: a number that tells the data from others, and whether the training was stopped.
const DATA: &str = "# data: ";
const STOPPED: &str = "# training: ";

impl Prepared {
    /// What there is to say of a training that has not come to its end.
    pub(crate) fn stopped(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.kept_file()).ok()?;
        text.lines().find_map(|line| line.strip_prefix(STOPPED)).map(str::to_owned)
    }

    pub(crate) fn kept_file(&self) -> PathBuf {
        self.folder.join("settings.toml")
    }

    /// Keeps the settings that a network is trained with, and after how many iterations it was stopped.
    pub(crate) fn keep(&self, stopped: Option<usize>) -> Result<(), Error> {
        let mut head = format!("{DATA}{}\n", self.task.fingerprint());
        if let Some(done) = stopped {
            let _ = writeln!(head, "{STOPPED}stopped after {done} of {} iterations", self.options.iterations);
        }
        let text = self.settings.text()?;
        Ok(tasks::write_whole(&self.kept_file(), &[head.as_bytes(), text.as_bytes()])?)
    }

    /// Refuses settings or data that a training was not begun with. To go on, all that training depends on must be the same; to judge it,
    /// what the network sees and is read by.
    pub(crate) fn check_kept(&self, to_go_on: bool) -> Result<(), Error> {
        let Ok(text) = std::fs::read_to_string(self.kept_file()) else { return Ok(()) };
        let print = text.lines().find_map(|line| line.strip_prefix(DATA));
        let mut kept: toml::Table =
            toml::from_str(&text).map_err(|e| Error::together("settings.toml", e.to_string()))?;
        let mut now = toml::Table::try_from(&self.settings)
            .map_err(|e| Error::together("the settings", e.to_string()))?;
        for table in [&mut kept, &mut now] {
            if let Some(toml::Value::Table(training)) = table.get_mut("training") {
                let differs_freely = |key: &str| match to_go_on {
                    true => ["epochs", "patience", "short_crossings"].contains(&key),
                    false => key != "h",
                };
                training.retain(|key, _| !differs_freely(key));
            }
        }
        let again = format!("{} --fresh", self.command("train"));
        if let Some((key, before, now)) = difference("", &toml::Value::Table(kept), &toml::Value::Table(now))
        {
            let why = format!(
                "{} was trained with {key} = {before}, and this is {now}: give the same settings",
                self.folder.display()
            );
            return Err(Error::Other { why, again });
        }
        if print.is_some_and(|print| print != self.task.fingerprint().to_string()) {
            let why = format!(
                "{} was trained on other data than {} has now",
                self.folder.display(),
                self.settings.data.file.display()
            );
            return Err(Error::Other { why, again });
        }
        Ok(())
    }
}

/// The first difference of two values, with its key.
fn difference(key: &str, before: &toml::Value, now: &toml::Value) -> Option<(String, String, String)> {
    use toml::Value::Table;
    if let (Table(a), Table(b)) = (before, now) {
        let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
        let nothing = toml::Value::String("nothing".into());
        return keys.into_iter().find_map(|name| {
            let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            difference(&key, a.get(name).unwrap_or(&nothing), b.get(name).unwrap_or(&nothing))
        });
    }
    (before != now).then(|| (key.to_owned(), before.to_string(), now.to_string()))
}
