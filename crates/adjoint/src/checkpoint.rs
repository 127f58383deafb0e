//! Where a checkpointed sweep keeps states and how it comes back to the others: uniform segments where memory suffices for
//! them, otherwise the binomial schedule of Griewank & Walther (2000), "Algorithm 799: revolve".

use std::ops::Range;

use crate::Error;

/// How much a [`Sweep`](crate::Sweep) keeps of a run to go backwards over it. The gradient is the same to the bit.
///
/// Unless it is [`Stored`](Self::Stored), the run is cut into segments. On the way forwards, states at the start of segments
/// are kept, and the last segment goes on the tape. On the way back, one segment at a time is run again from its state, now
/// with its tape.
///
/// | | held at once, beside some vectors of the length of a state | run again, of `T` steps |
/// |---|---|---|
/// | `Stored` | the tape of `T` steps | none |
/// | `SqrtSteps` | the tape of `sqrt T` steps, `sqrt T` states | `T - sqrt T` |
/// | `Every(k)` | the tape of `k` steps, `T / k` states | `T - k` |
/// | `Bytes(b)` | at most `b` bytes | fewer, the more bytes there are |
///
/// To run all steps again takes about a third of the time of a gradient, less what a tape saves that stays in the caches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Memory {
    /// The tape of all the steps.
    #[default]
    Stored,
    /// Segments as long as there are segments.
    SqrtSteps,
    /// Segments of so many steps, at least one.
    Every(usize),
    /// Tape and states within so many bytes, for steps that say what they push ([`Step::tape_bytes`]).
    ///
    /// With `a` the size of a state and `b` that of a step on the tape, `a + T b` bytes hold the whole run. About
    /// `2 sqrt(T a b)` are enough to run no step again twice; what is left lengthens the tape of the last segment, whose
    /// steps are not run again at all. With less, steps are run again more than once, as few as can be. The least budget is
    /// that of one state and one step, `a + b`, in which the time grows with the square of `T`.
    ///
    /// [`Step::tape_bytes`]: spikegrad_integrators::Step::tape_bytes
    Bytes(usize),
}

/// The segments of a run and the number of states that are kept. The first segment takes the steps that are left over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    steps: usize,
    /// Length of a segment, at least 1.
    length: usize,
    /// Length of the last one, which is the longest.
    last: usize,
    /// States that can be held; the initial state needs no place, since the program writes it.
    pub(crate) states: usize,
}

impl Plan {
    /// The plan for `steps` steps. `state` is the size of a state, `tape` that of a step on the tape, both in bytes.
    pub(crate) fn new(
        memory: Memory,
        steps: usize,
        state: usize,
        tape: Option<usize>,
    ) -> Result<Self, Error> {
        match memory {
            Memory::Stored => Ok(Self::uniform(steps, steps)),
            Memory::SqrtSteps => Ok(Self::uniform(steps, steps.isqrt())),
            Memory::Every(length) => Ok(Self::uniform(steps, length)),
            Memory::Bytes(budget) => Self::within(budget, steps, state, tape.ok_or(Error::TapeSize)?),
        }
    }

    /// Segments of equal length, and a state for each that needs one.
    fn uniform(steps: usize, length: usize) -> Self {
        let length = length.clamp(1, steps.max(1));
        // The last segment goes on the tape at once and needs no state to start from.
        Self { steps, length, last: length, states: steps.div_ceil(length).saturating_sub(2) }
    }

    fn within(budget: usize, steps: usize, state: usize, tape: usize) -> Result<Self, Error> {
        let (state, tape) = (state.max(1), tape.max(1));
        // The state that a tape starts from, and at least one step.
        let Some(room) = budget.checked_sub(state).filter(|&room| room >= tape) else {
            return Err(Error::Budget { budget, least: state.saturating_add(tape) });
        };
        if room / tape >= steps {
            return Ok(Self::uniform(steps, steps));
        }
        // The length at which states and tape of uniform segments take the least memory together. Short segments are
        // faster than long ones, since their tape stays in the caches.
        let plan = Self::uniform(steps, (steps as f64 * state as f64 / tape as f64).sqrt() as usize);
        if let Some(room) = room.checked_sub(plan.states.saturating_mul(state))
            && room / tape >= plan.length
        {
            return Ok(Self { last: room / tape, ..plan });
        }
        let plan = |states: usize| {
            let length = (room - states * state) / tape;
            Self { steps, length, last: length, states }
        };
        let mut best = plan(0);
        for states in 1..=(room - tape) / state {
            let next = plan(states);
            if next.again() < best.again() {
                best = next;
            }
            if next.segments() <= states + 2 {
                // Nothing is run again twice: from here on, more states only shorten the tape.
                break;
            }
        }
        Ok(best)
    }

    pub(crate) fn segments(&self) -> usize {
        match self.steps {
            0 => 0,
            steps => 1 + steps.saturating_sub(self.last).div_ceil(self.length),
        }
    }

    /// Steps that the tape holds at once.
    pub(crate) fn tape(&self) -> usize {
        self.last
    }

    /// The first step of a segment; that of the segment after the last is the number of steps.
    pub(crate) fn first(&self, segment: usize) -> usize {
        match self.segments() - segment {
            0 => self.steps,
            left => self.steps.saturating_sub(self.last + (left - 1) * self.length),
        }
    }

    /// The steps of a segment.
    pub(crate) fn steps_of(&self, segment: usize) -> Range<usize> {
        self.first(segment)..self.first(segment + 1)
    }

    /// Steps of uniform segments that are run again, after Griewank & Walther (2000); fewer if the first one is short.
    fn again(&self) -> u64 {
        let (segments, places) = (self.segments() as u64, self.states as u64 + 1);
        let rounds = rounds(places, segments);
        let spared = rounds.checked_sub(1).map_or(0, |less| reach(places + 1, less));
        (rounds.saturating_mul(segments) - spared).saturating_mul(self.length as u64)
    }

    /// The segment to go to from the start of segment `at`, to get to the last one before `end`, when `held` states are
    /// held: the state there is to be kept if it is not yet the last.
    pub(crate) fn next(&self, at: usize, end: usize, held: usize) -> usize {
        let segments = (end - at) as u64;
        // One place is that of the state at `at`.
        let places = (self.states + 1).saturating_sub(held).max(1) as u64;
        let rounds = rounds(places, segments);
        // What is ahead must be within reach of one place less, what is left behind of one round less.
        let ahead = reach(places - 1, rounds);
        let behind = rounds.checked_sub(2).map_or(0, |less| reach(places, less));
        at + segments.saturating_sub(ahead).max(behind).clamp(1, segments - 1) as usize
    }
}

/// The largest number of segments that can be reversed with `places` for states, the initial one included, when none is
/// run more than `rounds` times before it is run with its tape: the binomial coefficient `places + rounds` over `rounds`.
fn reach(places: u64, rounds: u64) -> u64 {
    let (few, many) = (places.min(rounds), places.max(rounds));
    (1..=few).fold(1_u64, |product, i| product.saturating_mul(many + i) / i)
}

/// The least number of rounds in which `segments` are within reach.
fn rounds(places: u64, segments: u64) -> u64 {
    let (mut rounds, mut within) = (0, 1_u64);
    while within < segments {
        rounds += 1;
        within = within.saturating_mul(places + rounds) / rounds;
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows a plan; returns the steps run in all, and checks that every segment is reversed, in order, with no more
    /// states than allowed.
    fn follow(plan: Plan) -> usize {
        let (mut held, mut run) = (Vec::new(), 0);
        for end in (1..=plan.segments()).rev() {
            let mut at = held.last().copied().unwrap_or(0);
            while at + 1 < end {
                let next = plan.next(at, end, held.len());
                run += plan.first(next) - plan.first(at);
                at = next;
                if at + 1 < end {
                    held.push(at);
                    assert!(held.len() <= plan.states, "{plan:?}");
                }
            }
            assert_eq!(at + 1, end, "{plan:?}");
            run += plan.first(end) - plan.first(at);
            if held.last() == Some(&at) {
                held.pop();
            }
        }
        run
    }

    fn plan(memory: Memory, steps: usize) -> Plan {
        Plan::new(memory, steps, 100, Some(30)).expect("a plan")
    }

    #[test]
    fn uniform_segments_cost_one_run_more() {
        for steps in 0..200 {
            assert_eq!(follow(plan(Memory::Stored, steps)), steps);
            for length in 0..210 {
                let plan = plan(Memory::Every(length), steps);
                assert_eq!(follow(plan), 2 * steps - plan.length.min(steps), "{plan:?}");
            }
            let plan = plan(Memory::SqrtSteps, steps);
            let root = (steps as f64).sqrt();
            assert!(plan.length as f64 <= root.max(1.0) && plan.states as f64 <= root + 1.0, "{plan:?}");
        }
    }

    #[test]
    fn a_schedule_is_the_best_there_is() {
        // The least number of segments run in all, by trying every place for the next state.
        const SEGMENTS: usize = 40;
        let mut least = vec![vec![usize::MAX; SEGMENTS + 1]; 7];
        for places in 1..7 {
            least[places][1] = 1;
            for n in 2..=SEGMENTS {
                // Without a place, back to the start again and again.
                least[places][n] = if places == 1 { n * (n + 1) / 2 } else { usize::MAX };
                for next in 1..n {
                    if places > 1 {
                        let all = next + least[places - 1][n - next] + least[places][next];
                        least[places][n] = least[places][n].min(all);
                    }
                }
            }
        }
        for (places, least) in least.iter().enumerate().skip(1) {
            for n in 1..=SEGMENTS {
                let plan = Plan { steps: 3 * n, length: 3, last: 3, states: places - 1 };
                assert_eq!(follow(plan), 3 * least[n], "{plan:?}");
                assert_eq!(plan.again() as usize + plan.steps, 3 * least[n], "{plan:?}");
            }
        }
    }

    #[test]
    fn a_budget_is_kept_and_used() {
        for steps in [1, 2, 3, 10, 99, 1000] {
            let (mut before, whole) = (usize::MAX, 100 + 30 * steps);
            let root = 2.0 * (3000.0 * steps as f64).sqrt() + 300.0;
            for budget in (130..40_000).step_by(37) {
                let plan = plan(Memory::Bytes(budget), steps);
                assert!(plan.length <= plan.last && plan.last <= steps, "{plan:?}");
                assert!(100 * (plan.states + 1) + 30 * plan.last <= budget, "{plan:?}");
                let run = follow(plan);
                // More memory never costs more, but for the first segment, whose length is not foreseen.
                assert!(run <= before.saturating_add(plan.length), "{plan:?}: {run} after {before}");
                before = before.min(run);
                if budget >= whole {
                    assert_eq!(run, steps, "{plan:?}");
                } else if budget as f64 > root {
                    // Most of what is left goes to steps that are not run again.
                    let spared = (budget as f64 - root) / 30.0;
                    assert!(run as f64 <= (2 * steps) as f64 - spared, "{budget}: {plan:?}");
                }
            }
        }
    }

    #[test]
    fn a_budget_that_cannot_be_kept_says_the_least() {
        let refused = Plan::new(Memory::Bytes(129), 10, 100, Some(30));
        assert!(matches!(refused, Err(Error::Budget { budget: 129, least: 130 })), "{refused:?}");
        let least = plan(Memory::Bytes(130), 10);
        assert_eq!((least.last, least.states, follow(least)), (1, 0, 55));
        let unknown = Plan::new(Memory::Bytes(1 << 30), 10, 100, None);
        assert!(matches!(unknown, Err(Error::TapeSize)), "{unknown:?}");
    }
}
