use super::lif::*;
use super::rate::*;
use super::*;
use spikegrad::tasks::{Purpose, Schedule, Stage, Task, delayed_xor::DelayedXor, generator};
fn num(name: &str, default: f64) -> f64 {
    std::env::var(name).ok().and_then(|x| x.parse().ok()).unwrap_or(default)
}
fn go<M: Model>(mut model: M, rates: Vec<f64>) {
    let last = num("LAST", 0.05);
    let task = DelayedXor::<f32> {
        controlled: num("CONTROLLED", 0.0),
        stream: (1, num("STREAM", 1.0) as usize),
        outside: (num("OUT0", 0.1), num("OUT1", 1.0)),
        ..DelayedXor::default()
    };
    let training = Training {
        iterations: num("ITER", 1500.0) as usize,
        batch: 50,
        rates,
        schedule: Schedule::Cosine { last },
        validation: spikegrad::tasks::Validation {
            every: 25,
            trials: 100,
            score: 0.9,
            rise: 0.1,
            patience: num("PATIENCE", 1000.0) as usize,
        },
        seed: num("SEED", 1.0) as u64,
    };
    let start = std::time::Instant::now();
    let (mut sum, every) = (0.0, num("EVERY", 250.0) as usize);
    let history = train(&mut model, &task, &training, |i, c| {
        sum += c;
        if (i + 1) % every == 0 {
            println!("{} cost {:.5} {:.1}s", i + 1, sum / every as f32, start.elapsed().as_secs_f64());
            sum = 0.0;
        }
    });
    println!("skipped {}", history.skipped);
    println!(
        "{:?}",
        history.validation.iter().filter(|v| v.0 % every == 0).map(|v| (v.0, v.1.score)).collect::<Vec<_>>()
    );
    for (controlled, n) in [(0.0, 1), (1.0, 1), (0.0, 5)] {
        let task =
            DelayedXor::<f32> { controlled, stream: (n, n), outside: (1.0, 1.0), ..DelayedXor::default() };
        let (mut right, mut all, mut e, mut p, mut spikes, mut time) = (0, 0, 0.0, 0.0, 0, 0.0);
        for index in 0..200 {
            let trial = task.trial(Stage::held_out(0), &mut generator(1, Purpose::Test, index));
            let (o, s) = model.respond(&trial);
            for (a, b) in task.answers(&trial, &o) {
                right += usize::from(a == b);
                all += 1;
            }
            e += o.iter().zip(&trial.targets).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
            p += trial.targets.iter().map(|b| b * b).sum::<f32>();
            spikes += s;
            time += trial.duration();
        }
        println!(
            "controlled {controlled} stream {n}: {:.3} error {:.3} rate {:.1}",
            right as f64 / all as f64,
            e / p,
            spikes as f64 / time * 1e3 / model.units() as f64
        );
    }
}
#[test]
#[ignore]
fn tune() {
    let seed = num("SEED", 1.0) as u64;
    let lr = num("LR", 1e-3);
    match std::env::var("MODEL").unwrap().as_str() {
        "rate" => {
            let start =
                RateStart { identity: num("ID", 1.0), recurrent: num("REC", 0.1), input: num("UIN", 0.5) };
            go(
                Rate::new(80, 2, (num("TAU", 20.0), 20.0), start, seed).to_f32(),
                vec![lr, lr * num("LRU", 1.0), lr, lr * num("LRO", 3.0)],
            );
        }
        _ => {
            let c = LifConstants {
                tau_v: 25.0,
                tau: [20.0, 5.0],
                tau_a: num("TAUA", 400.0),
                beta: num("BETA", 0.0),
                adaptive: num("ADAPT", 0.5),
                gamma: num("GAMMA", 0.3),
            };
            let start = LifStart {
                autapse: num("AUT", 0.0),
                recurrent: [num("REC", 0.5), num("RECF", 0.5)],
                input: num("UIN", 0.1),
                bias: (num("BIAS", 0.03), num("BIASS", 0.01)),
            };
            go(
                Lif::new(80, 2, c, start, seed).to_f32(),
                vec![lr, lr, lr * num("LRU", 0.1), lr * num("LRB", 0.1), lr * num("LRO", 10.0)],
            );
        }
    }
}
