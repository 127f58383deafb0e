//! What a program ends with.

use std::fmt;

/// The error of a program's `main`, made of any other by `?`: where `main` returns it, its message is written. An error that
/// `main` returns as it is, or in a `Box<dyn Error>`, is written as the fields of its type, without a word of what to change.
///
/// ```
/// use spikegrad::prelude::*;
///
/// fn main() -> Result<(), Failure> {
///     let population = Population::new("theta", Theta::default(), 10, GateShape::RaisedCosine, 0.3);
///     let network = Network::builder().population(population).synapse("slow", 20.0).build()?;
///     SplitStep::new(&network, 0.5)?;
///     Ok(())
/// }
/// ```
pub struct Failure(Box<dyn std::error::Error>);

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Error, Network};

    fn main() -> Result<(), Failure> {
        Network::builder().build()?;
        Ok(())
    }

    #[test]
    fn a_program_ends_with_the_message_of_its_error() {
        let failure = main().expect_err("refused");
        assert_eq!(format!("{failure:?}"), Error::Empty { what: "population" }.to_string());
        assert_eq!(failure.to_string(), "there is no population: add at least one");
    }
}
