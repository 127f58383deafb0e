"""What a call from Python costs beside the same work in Rust: `network.gradient` of the package `spikegrad` and
`spikegrad-reproduce compare` on one problem, in turns.

    python peers/python_calls.py PROBLEM.npz BINARY [--dtype f32] [--threads 1] [--rounds 9]

with a problem of `problems.py`, in a Python in which the wheel (built by `maturin build --release`) is installed.
"""

import argparse
import json
import statistics
import subprocess
import time

import numpy as np
import spikegrad as sg

INTERVAL, TAU, TAU_F, TAU_V, WIDTH, LAMBDA = 1.0, 20.0, 5.0, 25.0, 0.2, 1e-3
REPEAT = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("problem")
    parser.add_argument("binary")
    parser.add_argument("--dtype", choices=["f32", "f64"], default="f32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    dtype = {"f32": "float32", "f64": "float64"}[args.dtype]
    with np.load(args.problem) as arrays:
        given = {name: arrays[name] for name in arrays}
    neurons = len(given["b"])
    network = sg.Network(
        populations=[sg.Population("theta", "theta", neurons, width=WIDTH, parameters={"tau_v": TAU_V})],
        projections=[sg.Projection("slow", TAU), sg.Projection("fast", TAU_F)],
        inputs=given["U"].shape[1],
        outputs=given["O"].shape[0],
        dtype=dtype,
    )
    names = {"slow.weight": "W", "fast.weight": "Wf", "input.weight": "U", "theta.bias": "b", "readout.weight": "O"}
    for name, array in names.items():
        network[name] = given[array]
    # From steps x trials x channels to trials x steps x channels.
    inputs, targets = (np.ascontiguousarray(given[name].swapaxes(0, 1), dtype=dtype) for name in ("x", "target"))
    loss = sg.Loss("squared-error", activity=LAMBDA)
    initial = given["v0"].astype(dtype)
    sg.set_num_threads(args.threads)

    def call():
        return network.gradient(inputs, targets, loss, initial=initial)

    command = [args.binary, "compare", args.problem, "--dtype", args.dtype, "--threads", str(args.threads), "--json"]
    call()
    ours, rust = [], []
    for _ in range(args.rounds):
        times = []
        for _ in range(REPEAT):
            start = time.perf_counter()
            found = call()
            times.append(time.perf_counter() - start)
        ours.append(min(times))
        printed = subprocess.run([*command, "--repeat", str(REPEAT)], check=True, capture_output=True, text=True).stdout
        rust.append(json.loads(printed)["seconds_min"])
    norm = float(np.linalg.norm(found.parameters["slow.weight"]))
    print(f"Python {statistics.median(ours):.5f} s, Rust {statistics.median(rust):.5f} s (medians of the least of {REPEAT})")
    ratios = [a / b for a, b in zip(ours, rust)]
    print(f"overhead {100 * (statistics.median(ratios) - 1):+.1f} % (median of {args.rounds} turns, {min(ratios):.3f} to {max(ratios):.3f})")
    print(f"norm of the gradient by slow.weight {norm:.6g}; Rust says {json.loads(printed).get('grad_norms')}")


if __name__ == "__main__":
    main()
