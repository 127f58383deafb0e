"""What the scripts of all peers share: the command line, the clock, and the conversation with `run.py`.

A script prepares its work, answers one line of JSON about it, and then, for each line with a number K on standard input,
does the work K times and answers the seconds of each, by the wall clock and by the processor.
"""

import argparse
import json
import sys
import time

import numpy as np

# The model's constants, those of the reference format (ms).
DT, TAU, TAU_F, TAU_V, WIDTH, LAMBDA = 1.0, 20.0, 5.0, 25.0, 0.2, 1e-3
PARAMETERS = ("W", "Wf", "U", "b", "O")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("problem")
    parser.add_argument("--dtype", choices=["f32", "f64"], default="f32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--form", default="", help="a variant of the script's own")
    return parser.parse_args()


def load(args):
    dtype = {"f32": np.float32, "f64": np.float64}[args.dtype]
    with np.load(args.problem) as arrays:
        return {name: arrays[name].astype(dtype) for name in arrays}


def serve(run, about):
    """`run` does the work and waits until it is done; `about` says what came of it, after the first time."""
    start = time.perf_counter()
    run()
    first = time.perf_counter() - start
    start = time.perf_counter()
    run()
    print(json.dumps({"first": first, "second": time.perf_counter() - start, **about()}), flush=True)
    for line in sys.stdin:
        wall, cpu = [], []
        for _ in range(int(line)):
            starts = time.perf_counter(), time.process_time()
            run()
            wall.append(time.perf_counter() - starts[0])
            cpu.append(time.process_time() - starts[1])
        print(json.dumps({"wall": wall, "cpu": cpu}), flush=True)
