//! Networks in files: what a network is, as data, and its numbers under their names, in the format `safetensors`. This is the only
//! place that knows what stands for what.
//!
//! | array | type, shape | what |
//! |---|---|---|
//! | `slow.weight`, `hidden.bias`, ... | the network's float type, the parameter's shape | a parameter |
//! | `slow.weight.mask` | bool, the same | which entries exist, where not all do |
//! | `slow.weight.frozen` | bool, the same | which entries are frozen one by one, where any are |
//! | `slow.connections` | u32, `S x 2` | the pairs `(post, pre)` of a projection that lists them |
//! | `signs` | i8, `N` | 1, -1 or 0 for each neuron, where a population has several |
//!
//! A file is judged before it is believed: nothing in it is given memory that it does not have, everything that its description of
//! the network says must be there and nothing else, and what was read must be what `save` would write of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use spikegrad_network::{Connector, Group, Models, Named, Network, NetworkSpec, Scalar, Sign};

use spikegrad_training::CheckpointError;
use spikegrad_training::checkpoint::VERSION;

use crate::safetensors::{Container, Dtype, Tensor};

/// The texts of a file, by name.
const FORMAT: &str = "spikegrad.format";
const LIBRARY: &str = "spikegrad.version";
const SPEC: &str = "spikegrad.spec";
const CONNECTIONS: &str = "spikegrad.connections";
const CHECKSUM: &str = "spikegrad.checksum";
/// What other programs say of their own files.
const FOREIGN: &str = "format";

const SIGNS: &str = "signs";

/// What makes a network of a file: its models, and the description that it must have, if any.
pub(crate) struct Wanted<'a> {
    pub(crate) models: &'a Models,
    pub(crate) like: Option<&'a NetworkSpec>,
}

/// The bytes of the file of a network.
pub(crate) fn encode<T: Scalar>(path: &Path, network: &Network<T>) -> Result<Vec<u8>, CheckpointError> {
    let too_long = || CheckpointError::Contradiction { path: path.to_owned(), what: "a header of 100 MB" };
    contents(path, network)?.write().ok_or_else(too_long)
}

/// The error of numbers that are none of a network.
fn refused(path: &Path, source: spikegrad_network::Error) -> CheckpointError {
    CheckpointError::Parameters { path: path.to_owned(), source: source.into() }
}

/// What the file of a network holds.
fn contents<T: Scalar>(path: &Path, network: &Network<T>) -> Result<Container<'static>, CheckpointError> {
    let float = float::<T>(path)?;
    let outline = network.outline();
    let mut tensors = BTreeMap::new();
    let mut put = |name: String, dtype, shape: &[usize], data: Vec<u8>| {
        tensors.insert(name, Tensor { dtype, shape: shape.to_vec(), data: Cow::Owned(data) });
    };
    let layout = network.parameters.layout();
    for named in layout.names() {
        let values = &network.parameters.values()[named.range.clone()];
        let mut data = Vec::with_capacity(values.len() * float.bytes());
        for at in row_major(&named.shape) {
            let value: f64 = values[at].to_subset_unchecked();
            match float {
                Dtype::F32 => data.extend((value as f32).to_le_bytes()),
                _ => data.extend(value.to_le_bytes()),
            }
        }
        put(named.name.clone(), float, &named.shape, data);
        // Delays of connections have the mask of their weights.
        let mask = if own_mask(named.group) { network.mask(named.group) } else { None };
        for (flags, suffix) in [(mask, "mask"), (network.frozen_entries(named.group), "frozen")] {
            let Some(flags) = flags.map(|flags| &flags[part(layout.range(named.group).start, named)]) else {
                continue;
            };
            if suffix == "mask" || flags.contains(&true) {
                let data = row_major(&named.shape).map(|at| u8::from(flags[at])).collect();
                put(format!("{}.{suffix}", named.name), Dtype::Bool, &named.shape, data);
            }
        }
    }
    let sign = |sign| match sign {
        None => 0,
        Some(Sign::Excitatory) => 1,
        Some(Sign::Inhibitory) => -1_i8,
    };
    let populations = outline.populations.iter().zip(network.populations());
    let mut signs = populations
        .flat_map(|(population, (_, neurons))| neurons.map(move |neuron| (population.sign, neuron)));
    if signs.any(|(of_population, neuron)| of_population != network.sign(neuron)) {
        let data = (0..network.neurons()).map(|neuron| sign(network.sign(neuron)).to_le_bytes()[0]).collect();
        put(SIGNS.to_owned(), Dtype::I8, &[network.neurons()], data);
    }
    let mut prints = BTreeMap::new();
    for (k, projection) in outline.projections.iter().enumerate() {
        let Some(list) = network.connections(k) else { continue };
        let pairs = list.pairs().flat_map(|(post, pre)| [post as u32, pre as u32]);
        let data: Vec<u8> = pairs.flat_map(u32::to_le_bytes).collect();
        prints.insert(projection.name(), format!("{:08x}", crc32fast::hash(&data)));
        if let Connector::Pairs(_) = projection.connector() {
            put(format!("{}.connections", projection.name()), Dtype::U32, &[list.len(), 2], data);
        }
    }
    let text = |value: Result<String, serde_json::Error>| {
        value.map_err(|e| CheckpointError::Description { path: path.to_owned(), reason: e.to_string() })
    };
    let metadata = [
        (FORMAT, VERSION.to_string()),
        (LIBRARY, env!("CARGO_PKG_VERSION").to_owned()),
        (SPEC, text(serde_json::to_string(&outline))?),
        (CONNECTIONS, text(serde_json::to_string(&prints))?),
    ];
    let metadata = metadata.map(|(name, text)| (name.to_owned(), text)).into();
    let mut container = Container { metadata, tensors };
    seal(&mut container);
    Ok(container)
}

/// Puts the checksum of what is there into a file.
pub(crate) fn seal(container: &mut Container<'_>) {
    let checksum = format!("{:08x}", container.checksum(CHECKSUM));
    container.metadata.insert(CHECKSUM.to_owned(), checksum);
}

/// The network of the bytes of a file.
pub(crate) fn decode<T: Scalar>(
    path: &Path,
    bytes: &[u8],
    wanted: &Wanted<'_>,
) -> Result<Network<T>, CheckpointError> {
    let float = float::<T>(path)?;
    let container = judged(path, bytes)?;
    let file = File { path, container: &container };
    let mut spec = file.spec()?;
    file.check_float(float)?;
    let limit = spec.memory_limit;
    let listed = file.fill_pairs(&mut spec)?;
    if let Some(difference) = wanted.like.and_then(|like| like.difference(&spec)) {
        let of = |value: &str| format!("{} = {value}", difference.field);
        let (expected, found) = (of(&difference.left), of(&difference.right));
        return Err(CheckpointError::Mismatch { path: path.to_owned(), what: "network", expected, found });
    }
    let invalid = |source: spikegrad_network::Error| refused(path, source);
    spec.memory_limit = Some(file.most_memory(&spec, listed)?);
    let built = spec.build_with(wanted.models).map_err(|source| match source {
        // The limit is that of the file, which nobody can raise.
        spikegrad_network::Error::MemoryLimit { .. } => file.contradiction("the sizes of its network"),
        source => invalid(source),
    })?;
    let mut network = built.to_scalar::<T>();
    drop(built);
    network.set_memory_limit(limit);
    file.restore_constraints(&mut network)?;
    file.restore_parameters(&mut network, float)?;
    network.validate().and_then(|()| network.check_signs()).map_err(invalid)?;
    file.check_is_what_would_be_written(&network)?;
    Ok(network)
}

/// The network of these bytes, which must be of the structure of `network`.
pub(crate) fn like<T: Scalar>(
    network: &Network<T>,
    path: &Path,
    bytes: &[u8],
) -> Result<Network<T>, CheckpointError> {
    let wanted = Wanted { models: &network.models(), like: Some(&network.spec()) };
    let mut loaded = decode::<T>(path, bytes, &wanted)?;
    loaded.set_memory_limit(Some(network.memory_limit()));
    Ok(loaded)
}

/// The description of the network of a file, with its lists of connections.
pub(crate) fn describe(path: &Path, bytes: &[u8]) -> Result<NetworkSpec, CheckpointError> {
    let container = judged(path, bytes)?;
    let file = File { path, container: &container };
    let mut spec = file.spec()?;
    file.fill_pairs(&mut spec)?;
    Ok(spec)
}

/// The contents of a file of this version whose checksum, if it has one, fits.
fn judged<'a>(path: &Path, bytes: &'a [u8]) -> Result<Container<'a>, CheckpointError> {
    let foreign = || CheckpointError::Foreign { path: path.to_owned() };
    let corrupt = || CheckpointError::Corrupt { path: path.to_owned() };
    let container = Container::read(bytes).map_err(|_| match says_spikegrad(bytes) {
        true => corrupt(),
        false => foreign(),
    })?;
    let metadata = &container.metadata;
    let found = metadata.get(FORMAT).ok_or_else(foreign)?.parse().map_err(|_| corrupt())?;
    if found != VERSION {
        let (path, by) = (path.to_owned(), metadata.get(LIBRARY).cloned());
        return Err(CheckpointError::Version { path, found, read: VERSION, by });
    }
    let checksum = metadata.get(CHECKSUM);
    if checksum.is_some_and(|checksum| *checksum != format!("{:08x}", container.checksum(CHECKSUM))) {
        return Err(corrupt());
    }
    let known = [FORMAT, LIBRARY, SPEC, CONNECTIONS, CHECKSUM, FOREIGN];
    if metadata.keys().any(|name| !known.contains(&name.as_str())) {
        let what = "a text that no network has";
        return Err(CheckpointError::Contradiction { path: path.to_owned(), what });
    }
    Ok(container)
}

/// Whether damaged bytes look like those of a file of this library.
fn says_spikegrad(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(4096)];
    start.windows(FORMAT.len()).any(|window| window == FORMAT.as_bytes())
}

/// A file that is read.
struct File<'a> {
    path: &'a Path,
    container: &'a Container<'a>,
}

impl File<'_> {
    fn contradiction(&self, what: &'static str) -> CheckpointError {
        CheckpointError::Contradiction { path: self.path.to_owned(), what }
    }

    /// The description of the network, with its lists of connections elsewhere.
    fn spec(&self) -> Result<NetworkSpec, CheckpointError> {
        let wrong = |reason| CheckpointError::Description { path: self.path.to_owned(), reason };
        let text = self.container.metadata.get(SPEC).ok_or_else(|| wrong("it has none".to_owned()))?;
        serde_json::from_str(text).map_err(|e| wrong(e.to_string()))
    }

    /// Refuses a file of the other float type.
    fn check_float(&self, float: Dtype) -> Result<(), CheckpointError> {
        let other = match float {
            Dtype::F32 => Dtype::F64,
            _ => Dtype::F32,
        };
        let is_other = self.container.tensors.values().any(|tensor| tensor.dtype == other);
        if !is_other {
            return Ok(());
        }
        let (expected, found) = (float.name().to_owned(), other.name().to_owned());
        Err(CheckpointError::Mismatch { path: self.path.to_owned(), what: "float type", expected, found })
    }

    /// An array of this type and shape.
    fn tensor(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&[u8], CheckpointError> {
        let describe = |dtype: Dtype, shape: &[usize]| {
            let sides: Vec<_> = shape.iter().map(usize::to_string).collect();
            format!("{} of shape [{}]", dtype.name(), sides.join(", "))
        };
        match self.container.tensors.get(name) {
            Some(tensor) if tensor.dtype == dtype && tensor.shape == shape => Ok(&tensor.data),
            found => Err(CheckpointError::Array {
                path: self.path.to_owned(),
                name: name.to_owned(),
                expected: describe(dtype, shape),
                found: found.map_or_else(|| "nothing".to_owned(), |t| describe(t.dtype, &t.shape)),
            }),
        }
    }

    /// An array of flags, column-major, if it is there.
    fn flags(&self, named: &Named, suffix: &str) -> Result<Option<Vec<bool>>, CheckpointError> {
        let name = format!("{}.{suffix}", named.name);
        if !self.container.tensors.contains_key(&name) {
            return Ok(None);
        }
        let data = self.tensor(&name, Dtype::Bool, &named.shape)?;
        if data.iter().any(|&flag| flag > 1) {
            return Err(self.contradiction("the entries of a mask"));
        }
        let mut flags = vec![false; data.len()];
        row_major(&named.shape).zip(data).for_each(|(at, &flag)| flags[at] = flag == 1);
        Ok(Some(flags))
    }

    /// Puts lists of connections where the description has room for them; how many there are.
    fn fill_pairs(&self, spec: &mut NetworkSpec) -> Result<usize, CheckpointError> {
        let mut listed = 0;
        for projection in &mut spec.projections {
            let Connector::Pairs(pairs) = projection.connector() else { continue };
            if !pairs.is_empty() {
                return Err(self.contradiction("its lists of connections"));
            }
            let name = format!("{}.connections", projection.name());
            let len = self.container.tensors.get(&name).and_then(|t| t.shape.first()).copied().unwrap_or(0);
            let data = self.tensor(&name, Dtype::U32, &[len, 2])?;
            let (numbers, _) = data.as_chunks::<4>();
            let (pairs, _) = numbers.as_chunks::<2>();
            let pairs = pairs.iter().map(|&[post, pre]| (u32::from_le_bytes(post), u32::from_le_bytes(pre)));
            listed += len;
            *projection = projection.clone().connected(Connector::Pairs(pairs.collect()));
        }
        Ok(listed)
    }

    /// The most bytes that a network may take whose numbers are all in the file: as many as there are in double precision, and a
    /// list of connections no longer than their weights.
    fn most_memory(&self, spec: &NetworkSpec, listed: usize) -> Result<usize, CheckpointError> {
        let data = self.container.tensors.values().map(|tensor| tensor.data.len());
        let bytes = data.fold(0_usize, usize::saturating_add);
        // Each neuron has a tonic current, and each connection that is listed a weight.
        let neurons = spec.populations.iter().try_fold(0_usize, |n, p| n.checked_add(p.size));
        if neurons.and_then(|n| n.checked_add(listed)).is_none_or(|numbers| numbers > bytes / 4) {
            return Err(self.contradiction("the sizes of its network"));
        }
        Ok(bytes.saturating_mul(4).saturating_add(64))
    }

    /// Signs of single neurons, masks and frozen entries.
    fn restore_constraints<T: Scalar>(&self, network: &mut Network<T>) -> Result<(), CheckpointError> {
        if self.container.tensors.contains_key(SIGNS) {
            let data = self.tensor(SIGNS, Dtype::I8, &[network.neurons()])?;
            if data.iter().any(|&sign| !matches!(i8::from_le_bytes([sign]), -1..=1)) {
                return Err(self.contradiction("the signs of its neurons"));
            }
            network.set_signs(|neuron| match data[neuron] {
                0 => None,
                1 => Some(Sign::Excitatory),
                _ => Some(Sign::Inhibitory),
            });
        }
        let layout = network.parameters.layout().clone();
        let invalid = |source: spikegrad_network::Error| refused(self.path, source);
        for entry in layout.entries() {
            let (group, rows) = (entry.group, entry.rows);
            let mut frozen: Option<Vec<bool>> = None;
            for named in layout.names().iter().filter(|named| named.group == group) {
                let mask = self.flags(named, "mask")?;
                if own_mask(group) && !is_listed(network, group) {
                    let exists = |row, column| mask.as_ref().is_none_or(|mask| mask[column * rows + row]);
                    network.set_mask(group, exists).map_err(invalid)?;
                } else if mask.is_some() {
                    return Err(self.contradiction("a mask of what has none"));
                }
                if let Some(part_frozen) = self.flags(named, "frozen")? {
                    let all = frozen.get_or_insert_with(|| vec![false; entry.range.len()]);
                    all[part(entry.range.start, named)].copy_from_slice(&part_frozen);
                }
            }
            if let Some(frozen) = frozen {
                network.set_frozen_entries(group, &frozen).map_err(invalid)?;
            }
        }
        Ok(())
    }

    /// The parameters, each of which must be there.
    fn restore_parameters<T: Scalar>(
        &self,
        network: &mut Network<T>,
        float: Dtype,
    ) -> Result<(), CheckpointError> {
        let layout = network.parameters.layout().clone();
        for named in layout.names() {
            let data = self.tensor(&named.name, float, &named.shape)?;
            let values = &mut network.parameters.values_mut()[named.range.clone()];
            let places = row_major(&named.shape);
            match float {
                Dtype::F32 => places.zip(data.as_chunks().0).for_each(|(at, bytes)| {
                    values[at] = T::from_subset(&f64::from(f32::from_le_bytes(*bytes)));
                }),
                _ => places.zip(data.as_chunks().0).for_each(|(at, bytes)| {
                    values[at] = T::from_subset(&f64::from_le_bytes(*bytes));
                }),
            }
        }
        Ok(())
    }

    /// Refuses arrays that the network does not have, and descriptions that are not its own.
    fn check_is_what_would_be_written<T: Scalar>(&self, network: &Network<T>) -> Result<(), CheckpointError> {
        let written = contents(self.path, network)?;
        let found = self.container;
        if let Some(name) = found.tensors.keys().find(|name| !written.tensors.contains_key(*name)) {
            return Err(CheckpointError::Array {
                path: self.path.to_owned(),
                name: name.clone(),
                expected: "nothing".to_owned(),
                found: "an array".to_owned(),
            });
        }
        let same = |name: &str| found.metadata.get(name) == written.metadata.get(name);
        if !same(CONNECTIONS) {
            return Err(self.contradiction("the connections that its rules make"));
        }
        if !same(SPEC) || found.tensors != written.tensors {
            return Err(self.contradiction("contents that are not those of the network"));
        }
        Ok(())
    }
}

/// The type of the network's numbers in a file.
fn float<T>(path: &Path) -> Result<Dtype, CheckpointError> {
    let bytes = size_of::<T>();
    Dtype::float(bytes).ok_or_else(|| CheckpointError::Float { path: path.to_owned(), bytes })
}

/// Whether a group can have a mask of its own.
fn own_mask(group: Group) -> bool {
    matches!(group, Group::Weight(_) | Group::Input | Group::Readout(_))
}

/// Whether the entries of a group are those of a list of connections.
fn is_listed<T: Scalar>(network: &Network<T>, group: Group) -> bool {
    matches!(group, Group::Weight(k) if network.connections(k).is_some())
}

/// Where a parameter lies in its group, which begins at `start`.
fn part(start: usize, named: &Named) -> std::ops::Range<usize> {
    named.range.start - start..named.range.end - start
}

/// Where the entries of a row-major array lie in the column-major one.
fn row_major(shape: &[usize]) -> impl Iterator<Item = usize> + use<> {
    let rows = shape.first().copied().unwrap_or(1);
    let columns = shape.get(1).copied().unwrap_or(1);
    (0..rows).flat_map(move |row| (0..columns).map(move |column| column * rows + row))
}
