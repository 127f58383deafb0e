//! Which pairs of neurons a projection connects: connectors, and the fixed pattern that they make.

use std::ops::Range;
use std::sync::Arc;

use rand::RngExt;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::memory;
use crate::{Error, Scalar};

/// Which pairs of neurons a projection connects. Random ones are drawn by a generator that gives the same connections on all
/// machines.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Connector {
    /// Every presynaptic neuron to every postsynaptic one, as a matrix of weights.
    #[default]
    AllToAll,
    /// Neuron `i` to neuron `i`, for populations of one size.
    OneToOne,
    /// Each pair with a probability.
    Probability {
        /// The probability, 0 to 1.
        probability: f64,
        /// The seed of the generator.
        seed: u64,
    },
    /// As many presynaptic neurons for every postsynaptic one.
    InDegree {
        /// How many.
        degree: usize,
        /// The seed of the generator.
        seed: u64,
    },
    /// These pairs `(post, pre)`, numbered from 0 in their populations, in any order and each once.
    Pairs(Vec<(u32, u32)>),
}

/// The connections of a sparse projection in columns: for each presynaptic neuron the postsynaptic ones, in ascending order.
#[derive(Clone, PartialEq, Eq)]
pub struct Connections {
    /// Where the column of each presynaptic neuron begins, and where the last one ends; `N_pre + 1`.
    starts: Vec<usize>,
    posts: Posts,
}

/// The postsynaptic neuron of every connection, in two bytes where these are enough: large networks take the time in which weights and
/// these numbers come from memory.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Posts {
    Short(Vec<u16>),
    Long(Vec<u32>),
}

/// How many postsynaptic neurons have short numbers.
const SHORT: usize = 1 << u16::BITS;

/// The number of a postsynaptic neuron.
pub(crate) trait Post: Copy {
    fn index(self) -> usize;
}

impl Post for u16 {
    #[inline(always)]
    fn index(self) -> usize {
        usize::from(self)
    }
}

impl Post for u32 {
    #[inline(always)]
    fn index(self) -> usize {
        self as usize
    }
}

/// The sizes only: there may be millions of connections.
impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").field("pre", &self.pre()).field("len", &self.len()).finish()
    }
}

impl Connections {
    /// The number of connections.
    pub fn len(&self) -> usize {
        self.starts[self.pre()]
    }

    /// Whether nothing is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of presynaptic neurons.
    fn pre(&self) -> usize {
        self.starts.len() - 1
    }

    /// Which weights are those of presynaptic neuron `pre`, counted from 0 in its population.
    #[inline(always)]
    pub fn column(&self, pre: usize) -> Range<usize> {
        self.starts[pre]..self.starts[pre + 1]
    }

    /// The postsynaptic neuron of a weight, counted from 0 in its population.
    #[inline(always)]
    pub fn post(&self, weight: usize) -> usize {
        match &self.posts {
            Posts::Short(posts) => posts[weight].index(),
            Posts::Long(posts) => posts[weight].index(),
        }
    }

    /// The postsynaptic neuron of every weight.
    #[inline(always)]
    pub(crate) fn posts(&self) -> &Posts {
        &self.posts
    }

    /// Every connection `(post, pre)` in the order of the weights.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.pre()).flat_map(move |pre| self.column(pre).map(move |weight| (self.post(weight), pre)))
    }

    /// Bytes of the number of a postsynaptic neuron.
    pub(crate) fn number_bytes(&self) -> usize {
        match self.posts {
            Posts::Short(_) => size_of::<u16>(),
            Posts::Long(_) => size_of::<u32>(),
        }
    }

    /// Bytes that so many connections from `pre` to `post` neurons take, their weights apart.
    fn bytes(len: f64, (post, pre): (usize, usize)) -> f64 {
        let number = if post <= SHORT { size_of::<u16>() } else { size_of::<u32>() };
        len * number as f64 + memory::bytes::<usize>(&[pre.saturating_add(1)])
    }

    /// The matrix of the weights, `N_post x N_pre` by columns.
    pub fn to_dense<T: Scalar>(&self, weights: &[T], post: usize) -> Vec<T> {
        let mut dense = vec![T::zero(); post * self.pre()];
        for ((i, j), &w) in self.pairs().zip(weights) {
            dense[j * post + i] = w;
        }
        dense
    }
}

impl Connector {
    /// The connections from `pre` to `post` neurons; `None` for all of them. `same` says that both are the same neurons, of
    /// which `autapses` says whether they may connect to themselves; at most `limit` bytes.
    pub(crate) fn connect(
        &self,
        projection: &str,
        (post, pre): (usize, usize),
        autapses: bool,
        limit: usize,
    ) -> Result<Option<Arc<Connections>>, Error> {
        let refuse = |what: String| Error::Connector { projection: projection.to_owned(), what };
        let allowed = |i: usize, j: usize| autapses || i != j;
        let expected = match self {
            Self::AllToAll => return Ok(None),
            Self::OneToOne if post != pre => {
                return Err(refuse(format!("one to one between {pre} and {post} neurons")));
            }
            Self::OneToOne => pre as f64,
            Self::Probability { probability, .. } if !(0.0..=1.0).contains(probability) => {
                return Err(refuse(format!("a probability of {probability}, which is not from 0 to 1")));
            }
            Self::Probability { probability, .. } => probability * pre as f64 * post as f64,
            Self::InDegree { degree, .. } => {
                let most = if autapses { pre } else { pre.saturating_sub(1) };
                if *degree > most {
                    return Err(refuse(format!(
                        "{degree} presynaptic neurons for each postsynaptic one, of which there are {most}"
                    )));
                }
                *degree as f64 * post as f64
            }
            Self::Pairs(pairs) => {
                for &(i, j) in pairs {
                    let (i, j) = (i as usize, j as usize);
                    if i >= post || j >= pre {
                        return Err(refuse(format!("the pair ({i}, {j}) of {post} x {pre} neurons")));
                    }
                    if !allowed(i, j) {
                        return Err(refuse(format!("the pair ({i}, {j}), which is an autapse")));
                    }
                }
                pairs.len() as f64
            }
        };
        memory::check(
            &format!("the connections of {projection}"),
            Connections::bytes(expected, (post, pre)),
            limit,
        )?;
        let mut columns = Columns::new(projection, (post, pre), expected)?;
        match self {
            Self::AllToAll => {}
            Self::OneToOne => {
                for j in 0..pre {
                    columns.column((allowed(j, j)).then_some(j as u32))?;
                }
            }
            Self::Probability { probability, seed } => {
                let mut rng = ChaCha8Rng::seed_from_u64(*seed);
                for j in 0..pre {
                    columns
                        .column(skips(&mut rng, *probability, post).filter(|&i| allowed(i as usize, j)))?;
                }
            }
            Self::InDegree { degree, seed } => {
                let mut rng = ChaCha8Rng::seed_from_u64(*seed);
                let mut pairs = memory::room("the connections", degree.saturating_mul(post))?;
                for i in 0..post {
                    let others = if autapses { pre } else { pre - 1 };
                    // The presynaptic neurons behind a neuron itself are numbered one higher.
                    let chosen = index::sample(&mut rng, others, *degree).into_iter();
                    let skip = |j: usize| if autapses || j < i { j } else { j + 1 };
                    pairs.extend(chosen.map(|j| (skip(j) as u32, i as u32)));
                }
                columns.sorted(pairs)?;
            }
            Self::Pairs(pairs) => {
                let mut turned = memory::collect("the connections", pairs.iter().map(|&(i, j)| (j, i)))?;
                turned.sort_unstable();
                if let Some(twice) = turned.windows(2).find(|pair| pair[0] == pair[1]) {
                    let (j, i) = twice[0];
                    return Err(refuse(format!("the pair ({i}, {j}) twice")));
                }
                columns.sorted(turned)?;
            }
        }
        Ok(Some(Arc::new(columns.done())))
    }
}

/// The numbers below `count` that are drawn with a probability each, by the gaps between them, which follow a geometric
/// distribution: as many random numbers as there are connections.
fn skips(rng: &mut ChaCha8Rng, probability: f64, count: usize) -> impl Iterator<Item = u32> + '_ {
    // The system's logarithms are not the same on all machines.
    let log = libm::log1p(-probability);
    let mut next = 0.0;
    std::iter::from_fn(move || {
        if probability < 1.0 {
            // 1 - u is never zero.
            let u: f64 = rng.random();
            next += (libm::log1p(-u) / log).floor();
        }
        let index = next;
        next += 1.0;
        (index < count as f64).then_some(index as u32)
    })
}

/// Connections that are put together column by column.
struct Columns {
    made: Connections,
    /// How many columns there will be.
    pre: usize,
    what: String,
}

impl Columns {
    fn new(projection: &str, (post, pre): (usize, usize), expected: f64) -> Result<Self, Error> {
        let what = format!("the connections of {projection}");
        let mut starts = memory::room(&what, pre + 1)?;
        starts.push(0);
        let posts = if post <= SHORT {
            Posts::Short(memory::room(&what, expected as usize)?)
        } else {
            Posts::Long(memory::room(&what, expected as usize)?)
        };
        Ok(Self { made: Connections { starts, posts }, pre, what })
    }

    /// The next column.
    fn column(&mut self, posts: impl IntoIterator<Item = u32>) -> Result<(), Error> {
        let posts = posts.into_iter();
        let end = match &mut self.made.posts {
            Posts::Short(room) => fill(&self.what, room, posts.map(|post| post as u16))?,
            Posts::Long(room) => fill(&self.what, room, posts)?,
        };
        self.made.starts.push(end);
        Ok(())
    }

    /// All columns, from pairs `(pre, post)`.
    fn sorted(&mut self, mut pairs: Vec<(u32, u32)>) -> Result<(), Error> {
        pairs.sort_unstable();
        let mut pairs = &pairs[..];
        for j in 0..self.pre as u32 {
            let (column, others) = pairs.split_at(pairs.partition_point(|&(pre, _)| pre <= j));
            self.column(column.iter().map(|&(_, post)| post))?;
            pairs = others;
        }
        Ok(())
    }

    fn done(self) -> Connections {
        self.made
    }
}

/// Adds to a vector, which grows by little, because it is large and its length is nearly known; returns how long it is.
fn fill<P>(what: &str, room: &mut Vec<P>, posts: impl Iterator<Item = P>) -> Result<usize, Error> {
    for post in posts {
        if room.len() == room.capacity() {
            let more = room.len() / 8 + 64;
            let bytes = memory::bytes::<P>(&[room.len() + more]);
            let refused = |_| Error::OutOfMemory { what: what.to_owned(), bytes };
            room.try_reserve_exact(more).map_err(refused)?;
        }
        room.push(post);
    }
    Ok(room.len())
}
