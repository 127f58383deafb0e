//! Numbers by name in descriptions, each name once.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Numbers by name, each name once.
struct Once(BTreeMap<String, f64>);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Once;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("numbers by name")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
                let mut all = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, f64>()? {
                    if all.contains_key(&name) {
                        return Err(serde::de::Error::custom(format!("`{name}` is there twice")));
                    }
                    all.insert(name, value);
                }
                Ok(Once(all))
            }
        }
        from.deserialize_map(Visitor)
    }
}

pub(crate) fn once<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeMap<String, f64>, D::Error> {
    Once::deserialize(from).map(|Once(all)| all)
}

pub(crate) fn once_if_any<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<BTreeMap<String, f64>>, D::Error> {
    Ok(Option::<Once>::deserialize(from)?.map(|Once(all)| all))
}
