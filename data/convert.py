"""Writes the data sets of this folder from their published files; README.md says where these are.

    python convert.py JapaneseVowels_TRAIN.ts JapaneseVowels_TEST.ts
    python convert.py grasshopper_stimulus1.txt grasshopper_spike_times1.txt grasshopper_stimulus2.txt grasshopper_spike_times2.txt

It needs NumPy. Numbers are kept as float32, arrays are trials x time x channels.
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def japanese_vowels(source: Path, target: Path) -> None:
    """A file of the UCR/UEA archives: dimensions separated by ':', values by ','; the label comes last."""
    trials, labels = [], []
    for line in source.read_text().splitlines():
        if not line or line[0] in "#@":
            continue
        *dimensions, label = line.split(":")
        trials.append(np.array([d.split(",") for d in dimensions], dtype=np.float64).T)
        labels.append(int(label) - 1)
    lengths = np.array([len(trial) for trial in trials], dtype=np.int64)
    x = np.zeros((len(trials), lengths.max(), trials[0].shape[1]), dtype=np.float32)
    for k, trial in enumerate(trials):
        x[k, : len(trial)] = trial
    classes = np.array([f"speaker {k + 1}" for k in range(9)])
    np.savez_compressed(target, x=x, y=np.array(labels, dtype=np.int64), lengths=lengths, classes=classes)


def grasshopper(stimulus: Path, spikes: Path, target: Path) -> None:
    """A stimulus as lines of time and amplitude, and spike times; all times are in microseconds."""
    rows = np.array([line.split() for line in stimulus.read_text().splitlines() if line.strip()], dtype=np.float64)
    step = rows[1, 0] - rows[0, 0]
    assert np.allclose(np.diff(rows[:, 0]), step), "the stimulus is not sampled evenly"
    times = [float(line) for line in spikes.read_text().splitlines() if line.strip() and line[0] != "#"]
    np.savez_compressed(
        target,
        stimulus=rows[:, 1].astype(np.float32),
        interval=np.array(step * 1e-6),
        spike_times=np.array(times) * 1e-6,
    )


def main(files: list[str]) -> None:
    paths = [Path(file) for file in files]
    if len(paths) == 2:
        for path, part in zip(paths, ("train", "test")):
            japanese_vowels(path, HERE / f"japanese-vowels-{part}.npz")
    elif len(paths) == 4:
        for k in (0, 1):
            grasshopper(paths[2 * k], paths[2 * k + 1], HERE / f"grasshopper-{k + 1}.npz")
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
