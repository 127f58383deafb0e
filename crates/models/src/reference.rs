//! Periodic orbits for golden tests, by a method that shares nothing with those of the project.

/// What a solution did.
pub(crate) struct Orbit {
    /// Times at which the first variable rose through the level.
    pub(crate) crossings: Vec<f64>,
    /// The highest value of the orbit.
    pub(crate) peak: f64,
    /// The extremes of the orbit in its last quarter.
    pub(crate) extremes: [f64; 2],
}

impl Orbit {
    /// Steps `h` from `x` by the classical method of fourth order.
    pub(crate) fn new<const N: usize>(
        f: impl Fn(&[f64; N]) -> [f64; N],
        mut x: [f64; N],
        h: f64,
        steps: u32,
        level: f64,
    ) -> Self {
        let (mut crossings, mut peak, [mut low, mut high]) = (Vec::new(), x[0], [f64::MAX, f64::MIN]);
        for step in 0..steps {
            let next = fourth_order(&f, &x, h);
            if x[0] < level && next[0] >= level {
                // The part of a step that leads to the level, by halving.
                let (mut short, mut long) = (0.0, h);
                for _ in 0..50 {
                    let middle = 0.5 * (short + long);
                    if fourth_order(&f, &x, middle)[0] < level { short = middle } else { long = middle }
                }
                crossings.push(h * f64::from(step) + short);
            }
            x = next;
            peak = peak.max(x[0]);
            if step >= steps - steps / 4 {
                (low, high) = (low.min(x[0]), high.max(x[0]));
            }
        }
        Self { crossings, peak, extremes: [low, high] }
    }

    /// The last period.
    pub(crate) fn period(&self) -> f64 {
        self.crossings[self.crossings.len() - 1] - self.crossings[self.crossings.len() - 2]
    }
}

fn fourth_order<const N: usize>(f: &impl Fn(&[f64; N]) -> [f64; N], x: &[f64; N], h: f64) -> [f64; N] {
    let along = |k: &[f64; N], t: f64| std::array::from_fn(|i| x[i] + t * k[i]);
    let k1 = f(x);
    let k2 = f(&along(&k1, 0.5 * h));
    let k3 = f(&along(&k2, 0.5 * h));
    let k4 = f(&along(&k3, h));
    std::array::from_fn(|i| x[i] + h / 6.0 * (k1[i] + 2.0 * (k2[i] + k3[i]) + k4[i]))
}
