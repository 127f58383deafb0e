//! Classes from the labels that files have: names, or numbers.

use std::collections::HashMap;

use crate::{Error, Targets};

/// Numbers above this one are no numbers of classes: a name would be made for every number below.
const LARGEST: i64 = 65_535;

/// Classes from names. Without `classes`, they are the names that occur: by value if all are whole numbers, otherwise by letters.
pub(super) fn from_names(labels: &[String], classes: Option<&[String]>) -> Result<Targets, Error> {
    let names = match classes {
        Some(names) => names.to_vec(),
        None => {
            let mut names = labels.to_vec();
            let number = |name: &String| name.parse::<i64>().ok();
            if names.iter().all(|name| number(name).is_some()) {
                names.sort_by_key(|name| (number(name), name.clone()));
            } else {
                names.sort();
            }
            names.dedup();
            names
        }
    };
    let mut indices = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        if indices.insert(name.as_str(), index).is_some() {
            return Err(Error::Label {
                label: name.clone(),
                expected: "it is named twice among the classes".to_owned(),
            });
        }
    }
    let index = |(sample, label): (usize, &String)| {
        let unknown = || Error::Label { label: label.clone(), expected: known(&names) }.in_sample(sample);
        indices.get(label.as_str()).copied().ok_or_else(unknown)
    };
    let labels = labels.iter().enumerate().map(index).collect::<Result<_, _>>()?;
    Ok(Targets::Classes { labels, names })
}

/// Classes from numbers: a label is the index of a class, counted from 0. Without `classes`, their names are the numbers.
pub(super) fn from_numbers(labels: &[i64], classes: Option<&[String]>) -> Result<Targets, Error> {
    let largest = labels.iter().copied().max().unwrap_or(0);
    let names = match classes {
        Some(names) => names.to_vec(),
        None => (0..=largest.clamp(0, LARGEST)).map(|label| label.to_string()).collect(),
    };
    let index = |(sample, &label): (usize, &i64)| {
        let count = names.len();
        let expected = match classes {
            Some(_) => format!("there are {count} classes, counted from 0"),
            None => format!("give whole numbers from 0 to {LARGEST}"),
        };
        let valid = usize::try_from(label).ok().filter(|label| *label < count);
        valid.ok_or_else(|| Error::Label { label: label.to_string(), expected }.in_sample(sample))
    };
    let labels = labels.iter().enumerate().map(index).collect::<Result<_, _>>()?;
    Ok(Targets::Classes { labels, names })
}

/// The names of classes in a message.
fn known(names: &[String]) -> String {
    const LISTED: usize = 12;
    let more = if names.len() > LISTED { ", ..." } else { "" };
    format!("the classes are {}{more}", names[..names.len().min(LISTED)].join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn classes(labels: &[usize], names: &[&str]) -> Targets {
        Targets::Classes { labels: labels.to_vec(), names: strings(names) }
    }

    #[test]
    fn names_are_sorted_unless_they_are_given() {
        let labels = strings(&["10", "9", "10"]);
        assert_eq!(from_names(&labels, None).unwrap(), classes(&[1, 0, 1], &["9", "10"]));
        let labels = strings(&["b", "10", "a"]);
        assert_eq!(from_names(&labels, None).unwrap(), classes(&[2, 0, 1], &["10", "a", "b"]));
        let given = strings(&["b", "c", "a", "10"]);
        assert_eq!(from_names(&labels, Some(&given)).unwrap(), classes(&[0, 3, 2], &["b", "c", "a", "10"]));
        let error = from_names(&labels, Some(&given[..2])).unwrap_err().to_string();
        assert_eq!(error, "sample 1: label 10 is not a class: the classes are b, c");
        assert!(from_names(&labels, Some(&strings(&["a", "a"]))).is_err());
    }

    #[test]
    fn numbers_are_indices() {
        assert_eq!(from_numbers(&[2, 0], None).unwrap(), classes(&[2, 0], &["0", "1", "2"]));
        let given = strings(&["a", "b", "c"]);
        assert_eq!(from_numbers(&[2, 0], Some(&given)).unwrap(), classes(&[2, 0], &["a", "b", "c"]));
        for bad in [&[-1][..], &[0, 65_536], &[i64::MAX], &[i64::MIN]] {
            assert!(from_numbers(bad, None).unwrap_err().to_string().contains("from 0 to 65535"));
        }
        assert!(from_numbers(&[3], Some(&given)).is_err());
    }
}
