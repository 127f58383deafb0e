//! What one would write down without charge coordinates: the network's equations with `g(v) dv/dt` as they stand, as an
//! ordinary differential equation for `(v, s, s_f)`. Here to be compared with, not to be used.

use spikegrad::integrators::{Cost, CostVjp, VectorField, VectorFieldVjp};
use spikegrad::models::math::half_angle;
use spikegrad::models::{Gate, GateShape, NeuronVjp, Theta};
use spikegrad::network::{Group, Network, Trial};

/// The field of a theta network with raised-cosine gates, voltages never wrapped. Its parameters are the network's; only
/// `W_k`, `U` and `I_o` are differentiated.
pub(super) struct NaiveNetwork<'a> {
    network: &'a Network<f64>,
    gate: Gate<f64>,
    taus: Vec<f64>,
    drive: Option<(&'a Trial<f64>, f64)>,
}

impl<'a> NaiveNetwork<'a> {
    pub(super) fn new(network: &'a Network<f64>) -> Self {
        let width = network.parameters.group(Group::GateWidth(0))[0];
        Self {
            network,
            gate: Gate { shape: GateShape::RaisedCosine, width, threshold: 1.0 },
            taus: (0..network.projections().len())
                .map(|k| network.parameters.group(Group::Tau(k))[0])
                .collect(),
            drive: None,
        }
    }

    /// Adds the trial's input; `h` is the step that it will be integrated with.
    pub(super) fn driven(mut self, trial: &'a Trial<f64>, h: f64) -> Self {
        self.drive = Some((trial, h));
        self
    }

    fn input(&self, t: f64) -> &[f64] {
        // Stages of Euler's method lie at the start of a step; half a step keeps rounding from choosing the sample.
        self.drive.map_or(&[], |(trial, h)| {
            let m = ((t + 0.5 * h) / trial.interval) as usize;
            &trial.inputs[m * self.network.inputs()..][..self.network.inputs()]
        })
    }

    fn current(&self, t: f64, x: &[f64], i: usize) -> f64 {
        let (p, n) = (&self.network.parameters, self.network.neurons());
        let mut current = p.bias()[i];
        for (u, input) in p.input().row(i).iter().zip(self.input(t)) {
            current += u * input;
        }
        for k in 0..self.taus.len() {
            let w = p.group(Group::Weight(k));
            for j in 0..n {
                current += w[j * n + i] * x[(1 + k) * n + j];
            }
        }
        current
    }

    /// `g(v)` and its slope, on any turn of the circle.
    fn gate(&self, v: f64) -> (f64, f64) {
        let v = v - v.floor();
        let u = self.gate.position(v);
        let (s, c) = half_angle(u);
        let slope = if (0.0..=1.0).contains(&u) { std::f64::consts::TAU * s * c } else { 0.0 };
        (self.gate.density(v), slope / (self.gate.width * self.gate.width))
    }

    fn tau_v(&self) -> [f64; 1] {
        [self.network.parameters.group(Group::Neuron { population: 0, parameter: 0 })[0]]
    }
}

impl VectorField<f64> for NaiveNetwork<'_> {
    fn dim(&self) -> usize {
        self.network.neurons() * (1 + self.taus.len())
    }

    fn rhs(&self, t: f64, x: &[f64], dx: &mut [f64]) {
        use spikegrad::models::Neuron;
        let n = self.network.neurons();
        for i in 0..n {
            let [f] = Theta::rhs(&self.tau_v(), &[x[i]], self.current(t, x, i));
            dx[i] = f;
            let (g, _) = self.gate(x[i]);
            for (k, tau) in self.taus.iter().enumerate() {
                let at = (1 + k) * n + i;
                dx[at] = (g * f - x[at]) / tau;
            }
        }
    }
}

impl VectorFieldVjp<f64> for NaiveNetwork<'_> {
    fn n_parameters(&self) -> usize {
        self.network.parameters.layout().len()
    }

    fn rhs_vjp(&self, t: f64, x: &[f64], dx_bar: &[f64], x_bar: &mut [f64], parameters_bar: &mut [f64]) {
        use spikegrad::models::Neuron;
        let (n, layout) = (self.network.neurons(), self.network.parameters.layout());
        for i in 0..n {
            let current = self.current(t, x, i);
            let [f] = Theta::rhs(&self.tau_v(), &[x[i]], current);
            let (g, g_slope) = self.gate(x[i]);
            let mut f_bar = dx_bar[i];
            for (k, tau) in self.taus.iter().enumerate() {
                let at = (1 + k) * n + i;
                f_bar += g * dx_bar[at] / tau;
                x_bar[i] += g_slope * f * dx_bar[at] / tau;
                x_bar[at] -= dx_bar[at] / tau;
            }
            let mut v_bar = [0.0];
            let current_bar =
                Theta::rhs_vjp(&self.tau_v(), &[x[i]], current, &[f_bar], &mut v_bar, &mut [0.0]);
            x_bar[i] += v_bar[0];
            parameters_bar[layout.range(Group::Bias).start + i] += current_bar;
            let u = layout.range(Group::Input).start;
            for (m, input) in self.input(t).iter().enumerate() {
                parameters_bar[u + m * n + i] += current_bar * input;
            }
            for k in 0..self.taus.len() {
                let range = layout.range(Group::Weight(k));
                for j in 0..n {
                    let (w, s) = (range.start + j * n + i, (1 + k) * n + j);
                    parameters_bar[w] += current_bar * x[s];
                    x_bar[s] += current_bar * self.network.parameters.values()[w];
                }
            }
        }
    }
}

/// `h sum s`.
pub(super) struct Activity {
    pub(super) h: f64,
}

impl Cost<f64> for Activity {
    fn cost(&self, _: usize, _: f64, x: &[f64]) -> f64 {
        self.h * x[1..].iter().sum::<f64>()
    }
}

impl CostVjp<f64> for Activity {
    fn cost_vjp(&self, _: usize, _: f64, _: &[f64], cost_bar: f64, x_bar: &mut [f64], _: &mut [f64]) {
        x_bar[1..].iter_mut().for_each(|x| *x += self.h * cost_bar);
    }
}

/// `h sum |O s - o_d|^2 / 2` with the slow synapses.
pub(super) struct Tracking<'a> {
    pub(super) network: &'a Network<f64>,
    pub(super) trial: &'a Trial<f64>,
    pub(super) h: f64,
}

impl Tracking<'_> {
    fn error(&self, n: usize, x: &[f64]) -> f64 {
        let size = self.network.neurons();
        let m = ((n as f64 + 0.5) * self.h / self.trial.interval) as usize;
        let o = self.network.parameters.group(Group::Readout(0));
        o.iter().zip(&x[size..]).map(|(o, s)| o * s).sum::<f64>() - self.trial.targets[m]
    }
}

impl Cost<f64> for Tracking<'_> {
    fn cost(&self, n: usize, _: f64, x: &[f64]) -> f64 {
        0.5 * self.h * self.error(n, x).powi(2)
    }
}

impl CostVjp<f64> for Tracking<'_> {
    fn cost_vjp(&self, n: usize, _: f64, x: &[f64], cost_bar: f64, x_bar: &mut [f64], _: &mut [f64]) {
        let size = self.network.neurons();
        let weight = self.h * self.error(n, x) * cost_bar;
        let o = self.network.parameters.group(Group::Readout(0));
        for (bar, o) in x_bar[size..].iter_mut().zip(o) {
            *bar += weight * o;
        }
    }
}
