"""Times this library and other systems on the same problems, in turns. Called by `cargo xtask bench --peers`.

Needs nothing but Python's standard library itself; the systems go into a virtual environment below the output folder.
Whatever is done already, the environment, the problems, and the timings of an interrupted run, is used again.
"""

import argparse
import hashlib
import json
import os
import platform
import queue
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
STEPS = {"a": 1000, "b": 500, "c": 200, "c5": 200}
ROUNDS = 5
RATIOS = ("ratio_least", "ratio_median", "ratio_cpu")
COMPILE_SECONDS = 120

# Largest relative difference in cost and in the norm of a gradient that rounding explains.
TOLERANCE = {"f32": (1e-4, 1e-2), "f64": (1e-9, 1e-7)}

# Label, script, type, form, sizes.
PEERS = [
    ("JAX", "jax_gated.py", "f32", "", STEPS),
    ("JAX, late weight gradients", "jax_gated.py", "f32", "late", STEPS),
    ("PyTorch", "torch_gated.py", "f32", "", STEPS),
    ("PyTorch, compiled", "torch_gated.py", "f32", "compiled", STEPS),
    ("snnTorch, LIF", "snntorch_lif.py", "f32", "", ("a", "b")),
    ("Norse, LIF", "norse_lif.py", "f32", "", ("a", "b")),
    ("JAX", "jax_gated.py", "f64", "", STEPS),
    ("JAX, late weight gradients", "jax_gated.py", "f64", "late", STEPS),
    ("PyTorch", "torch_gated.py", "f64", "", STEPS),
]

# Size, type, what the labels of the peers begin with, how many times faster than the fastest of them, and the aim.
FIGURES = [
    ("a", "f32", ("JAX", "PyTorch"), 8, 12),
    ("a", "f64", ("JAX",), 8, 8),
    ("b", "f32", ("JAX", "PyTorch"), 5, 8),
    ("c", "f32", ("JAX", "PyTorch"), 5, 6),
    ("c5", "f32", ("JAX", "PyTorch"), 15, 20),
    ("a", "f32", ("snnTorch",), 8, 8),
    ("a", "f32", ("Norse",), 8, 8),
    ("b", "f32", ("snnTorch",), 3, 3),
    ("b", "f32", ("Norse",), 3, 3),
]


class Failure(Exception):
    """Ends the run with a message for a person."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def names(known):
    def parse(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"there is no `{name}`; choose from {','.join(known)}")
        return chosen

    return parse


def counts(text):
    return [int(count) for count in names([str(count) for count in range(1, 257)])(text)]


def arguments():
    parser = argparse.ArgumentParser(prog="cargo xtask bench --peers", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="short problems and little repetition; no figure is judged")
    parser.add_argument("--sizes", type=names(list(STEPS)), default=list(STEPS), help="default: a,b,c,c5")
    parser.add_argument("--threads", type=counts, help="default: 1,2; quick: 1")
    parser.add_argument("--rounds", type=int, help=f"turns of each system; default: {ROUNDS}; quick: 2")
    parser.add_argument("--binary", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, required=True, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.threads = args.threads or ([1] if args.quick else [1, 2])
    args.rounds = args.rounds or (2 if args.quick else ROUNDS)
    return args


def environment_python(out):
    """The Python of the virtual environment, made and filled first if need be."""
    folder = out / "venv"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    requirements = HERE / "requirements.txt"
    wanted, stamp = requirements.read_text(), folder / "installed.txt"
    if stamp.is_file() and stamp.read_text() == wanted and python.exists():
        return python
    if sys.version_info < (3, 11):
        raise Failure(f"this is Python {platform.python_version()}; install Python 3.11 or later as `python3`")
    if not python.exists():
        say("making a virtual environment")
        if subprocess.run([sys.executable, "-m", "venv", folder]).returncode != 0:
            raise Failure("no virtual environment: install Python's venv module (Debian: the package python3-venv)")
    say("installing JAX, PyTorch, snnTorch and Norse (once, several GB)")
    if subprocess.run([python, "-m", "pip", "install", "-r", requirements]).returncode != 0:
        raise Failure(
            "a package is missing: pip needs the Python package index and several GB of space; to install by hand,\n"
            f"{python} -m pip install -r {requirements}"
        )
    stamp.write_text(wanted)
    return python


def versions(python):
    code = "import importlib.metadata as m, sys; print(*(m.version(p) for p in sys.argv[1:]))"
    packages = ["jax", "torch", "snntorch", "norse", "numpy"]
    printed = subprocess.run([python, "-c", code, *packages], check=True, capture_output=True, text=True).stdout
    return {"python": platform.python_version(), **dict(zip(packages, printed.split()))}


def problem(python, out, size, quick):
    """The file of a problem, made first if need be; its name holds what it was made by."""
    maker = HERE / "problems.py"
    steps = STEPS[size] // 10 if quick else STEPS[size]
    path = out / f"{size}-{steps}-{hashlib.sha256(maker.read_bytes()).hexdigest()[:8]}.npz"
    if not path.exists():
        say(f"making problem {size}")
        subprocess.run([python, "-B", maker, size, str(steps), path], check=True)
    return path


def processors(threads):
    """So many processors to pin to, so that one thread is one thread; none where the system cannot pin."""
    return available()[-threads:] if hasattr(os, "sched_setaffinity") else None


def available():
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def spawn(command, threads, out, **more):
    # OpenBLAS chooses by the processor, not by what a shell has set for some other program.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS")}
    count = str(threads)
    environment |= {name: count for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC")}
    eigen = "true" if threads > 1 else "false"
    environment["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={count}"
    environment["JAX_PLATFORMS"] = "cpu"
    environment["TORCHINDUCTOR_CACHE_DIR"] = str(out / "compiled")
    chosen = processors(threads)
    pin = (lambda: os.sched_setaffinity(0, chosen)) if chosen else None
    return subprocess.Popen(command, env=environment, preexec_fn=pin, stdout=subprocess.PIPE, text=True, **more)


class Ours:
    """This library: a new process for each turn."""

    def __init__(self, args, path, dtype, threads):
        self.label, self.dtype, self.threads, self.out = "spikegrad", dtype, threads, args.out
        self.command = [args.binary, "compare", path, "--dtype", dtype, "--threads", str(threads), "--json"]
        self.ready = self.compare(1)
        self.ready["second"] = self.ready["seconds_min"]

    def compare(self, repeat):
        process = spawn([*self.command, "--repeat", str(repeat)], self.threads, self.out)
        printed, _ = process.communicate()
        if process.returncode != 0:
            raise Failure(f"`spikegrad-reproduce compare` failed with {process.returncode}")
        return json.loads(printed)

    def turn(self, repeat):
        found = self.compare(repeat)
        return {
            "least": found["seconds_min"],
            "median": found["seconds_median"],
            "median_cpu": found["processor_median"],
        }

    def close(self):
        pass


class Peer:
    """Another system: one process that is compiled and warm before the first turn."""

    def __init__(self, args, python, path, threads, peer):
        self.label, script, self.dtype, form, _ = peer
        self.log = args.out / "log.txt"
        command = [python, "-B", HERE / script, path, "--dtype", self.dtype, "--threads", str(threads), "--form", form]
        with self.log.open("a") as log:
            self.process = spawn(command, threads, args.out, stdin=subprocess.PIPE, stderr=log)
        self.lines = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()
        self.ready = self.answer(COMPILE_SECONDS if form == "compiled" else None)

    def listen(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def answer(self, seconds=None):
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            self.close()
            return None
        if not line:
            raise Failure(f"{self.label} stopped: see the end of {self.log}")
        return json.loads(line)

    def turn(self, repeat):
        self.process.stdin.write(f"{repeat}\n")
        self.process.stdin.flush()
        found = self.answer()
        return {
            "least": min(found["wall"]),
            "median": statistics.median(found["wall"]),
            "median_cpu": statistics.median(found["cpu"]),
        }

    def close(self):
        self.process.kill()
        self.process.wait()


def differences(peer, ours):
    """Where the two computed something different: what, and both values."""
    pairs = [("cost", peer["cost"], ours["cost"], 0)]
    pairs += [(f"norm of the gradient of {n}", x, ours["grad_norms"][n], 1) for n, x in peer["grad_norms"].items()]
    # Written so that a NaN differs.
    return [(what, x, y) for what, x, y, kind in pairs if not abs(x / y - 1) <= TOLERANCE[ours["dtype"]][kind]]


def measure(args, python, path, size, threads):
    """All systems on one problem: their rounds in turns."""
    systems, missing = [], []
    try:
        for dtype in ("f32", "f64"):
            systems.append(Ours(args, path, dtype, threads))
        ours = {system.dtype: system.ready for system in systems}
        for peer in PEERS:
            label, _, dtype, form, sizes = peer
            if size not in sizes or (args.quick and form):
                continue
            say(f"  {label} {dtype}: getting ready")
            start = time.monotonic()
            system = Peer(args, python, path, threads, peer)
            if system.ready is None:
                say(f"  {label} {dtype}: not compiled within {COMPILE_SECONDS} s, left out")
                missing.append(f"{label} {dtype}")
                continue
            systems.append(system)
            say(f"  {label} {dtype}: ready after {time.monotonic() - start:.0f} s")
            wrong = differences(system.ready, ours[dtype]) if "grad_norms" in system.ready else []
            if wrong:
                lines = [f"{what}: {label} {x!r}, spikegrad {y!r}" for what, x, y in wrong]
                raise Failure(f"{label} and spikegrad disagree on {size} at {dtype}\n" + "\n".join(lines))
        # The same number of repetitions for all, so that the least is the least of as many.
        slowest = max(system.ready["second"] for system in systems)
        repeat = 1 if args.quick else min(5, max(1, round(2 / slowest)))
        rounds = [[] for _ in systems]
        for number in range(args.rounds):
            start = time.monotonic()
            for system, turns in zip(systems, rounds):
                turns.append(system.turn(repeat))
            say(f"  round {number + 1} of {args.rounds}: {time.monotonic() - start:.0f} s")
    finally:
        for system in systems:
            system.close()
    rows = []
    for system, turns in zip(systems, rounds):
        row = {
            "system": system.label,
            "dtype": system.dtype,
            "least": min(turn["least"] for turn in turns),
            "median": statistics.median(turn["median"] for turn in turns),
            "rounds": turns,
            "about": system.ready,
        }
        # What the clock shows beyond the processor's time of a single thread went to other programs.
        if threads == 1:
            row["cpu"] = statistics.median(turn["median_cpu"] for turn in turns)
            row["loaded"] = statistics.median(turn["median"] / turn["median_cpu"] for turn in turns)
        rows.append(row)
    for row in rows:
        base = next(other for other in rows if other["dtype"] == row["dtype"])
        for name in ("least", "median", "cpu"):
            if name in row and name in base:
                row[f"ratio_{name}"] = row[name] / base[name]
    return {"size": size, "threads": threads, "repeat": repeat, "missing": missing, "rows": rows}


def judge(groups):
    """The figures, for each number of threads that was measured."""
    found = []
    for size, dtype, systems, least, aim in FIGURES:
        for group in groups:
            rows = [r for r in group["rows"] if r["dtype"] == dtype and r["system"].startswith(systems)]
            if group["size"] == size and rows:
                row = min(rows, key=lambda row: row["least"])
                names = " or ".join(systems)
                ratio = row["ratio_least"]
                found.append(
                    {"size": size, "dtype": dtype, "threads": group["threads"], "against": names, "at_least": least}
                    | {"aim": aim, "ratio": ratio, "fastest": row["system"], "met": ratio >= least}
                )
    return found


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def tables(result):
    rows = []
    for group in result["groups"]:
        for row in group["rows"]:
            seconds = [f"{row[name]:.4f}" for name in ("least", "median")]
            ratios = [f"{row[name]:.2f}" if name in row else "" for name in RATIOS]
            rows.append([group["size"], group["threads"], row["dtype"], row["system"], *seconds, *ratios])
        rows += [[group["size"], group["threads"], "", name, "not compiled", "", "", "", ""] for name in group["missing"]]
    head = ["size", "threads", "type", "system", "least, s", "median, s"]
    head += ["least / ours", "median / ours", "processor time / ours"]
    text = table(head, rows)
    if result["figures"]:
        rows = [
            [f["size"], f["threads"], f["dtype"], f["against"], f"{f['at_least']} ({f['aim']})"]
            + [f"{f['ratio']:.2f}", f["fastest"], "met" if f["met"] else "MISSED"]
            for f in result["figures"]
        ]
        head = ["size", "threads", "type", "against", "at least (aim)", "found", "fastest peer", ""]
        text += "\n" + table(head, rows)
    used = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    text += f"\n{used}\n"
    loads = [row["loaded"] for group in result["groups"] for row in group["rows"] if "loaded" in row]
    if loads and statistics.median(loads) > 1.1:
        text += (
            f"Other programs were running: one thread took {statistics.median(loads):.1f} times its processor time. "
            "Times are too long, those of long runs more than those of short ones: trust the ratio of processor times.\n"
        )
    return text


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    python = environment_python(args.out)
    result = {"versions": versions(python), "machine": platform.machine(), "quick": args.quick, "rounds": args.rounds}
    # Timings go on only where everything that they depend on is what it was.
    files = [args.binary, *sorted(HERE.glob("*.py"))]
    result["key"] = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    path = args.out / "peers.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    going_on = not before.get("complete", True) and all(before.get(name) == value for name, value in result.items())
    result |= {"complete": False, "groups": [], "figures": []}
    wanted = [(size, threads) for size in args.sizes for threads in args.threads]
    for number, (size, threads) in enumerate(wanted):
        say(f"{number + 1} of {len(wanted)}: problem {size}, threads: {threads}")
        done = [g for g in before.get("groups", []) if going_on and (g["size"], g["threads"]) == (size, threads)]
        if done:
            say("  measured before the interruption")
        elif threads > len(available()):
            say("  left out: this machine has fewer processors")
            continue
        else:
            done = [measure(args, python, problem(python, args.out, size, args.quick), size, threads)]
        result["groups"] += done
        result["figures"] = [] if args.quick else judge(result["groups"])
        result["complete"] = number + 1 == len(wanted)
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(result, indent=1))
        os.replace(partial, path)
    print(tables(result), end="")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except subprocess.CalledProcessError as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on from here")
