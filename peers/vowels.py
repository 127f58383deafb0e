"""JapaneseVowels by this library's layer for PyTorch, by its own trainer, and by snnTorch's tutorial network of the same size.

    python peers/vowels.py TRAIN.npz TEST.npz [--threads 1] [--epochs 30] [--neurons 128] [--h 5] [--recurrent]

All have 12 inputs, as many hidden LIF neurons and 9 leaky outputs, and the same batches of 18 trials. The network of snnTorch is that of its
tutorials 5 and 6 (two `Leaky` layers behind `Linear` ones, fast sigmoid, Adam, cross-entropy of the output's membrane summed over time),
with one step a sample, which is the least that it can have. This library's takes two steps a sample with a step of 5 ms; with
`--recurrent`, its hidden neurons are connected with each other besides.
"""

import argparse
import time

import numpy as np

INTERVAL, BATCH = 10.0, 18


def clock():
    """Seconds by the wall clock and by the processor, of all threads."""
    return np.array([time.perf_counter(), time.process_time()])


def load(path):
    with np.load(path) as arrays:
        return arrays["x"].astype(np.float32), arrays["y"], arrays["lengths"]


def snntorch(train, test, args):
    import snntorch as snn
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            grad = snn.surrogate.fast_sigmoid(slope=25)
            self.fc1, self.lif1 = torch.nn.Linear(12, args.neurons), snn.Leaky(beta=0.95, spike_grad=grad)
            self.fc2, self.lif2 = torch.nn.Linear(args.neurons, 9), snn.Leaky(beta=0.95, spike_grad=grad)

        def forward(self, x):
            mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            mems = []
            for step in range(x.shape[1]):
                spk1, mem1 = self.lif1(self.fc1(x[:, step]), mem1)
                _, mem2 = self.lif2(self.fc2(spk1), mem2)
                mems.append(mem2)
            return torch.stack(mems, dim=1)

    def scores(net, x, lengths):
        inside = torch.arange(x.shape[1]) < lengths[:, None]
        return (net(x) * inside[..., None]).sum(dim=1) / lengths[:, None]

    net = Net()
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3, betas=(0.9, 0.999))
    tensors = [tuple(torch.from_numpy(a) for a in part) for part in (train, test)]
    (x, y, n), (x_test, y_test, n_test) = tensors
    times = []
    for _ in range(args.epochs):
        order = torch.randperm(len(x))
        start = clock()
        for batch in order.split(BATCH):
            loss = torch.nn.functional.cross_entropy(scores(net, x[batch], n[batch]), y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        times.append(clock() - start)
    with torch.no_grad():
        accuracy = (scores(net, x_test, n_test).argmax(dim=1) == y_test).float().mean().item()
    return times, accuracy


def network(args):
    import spikegrad as sg

    hidden = sg.Population("hidden", "LIF", args.neurons, width=0.5)
    # A projection to no neurons: its traces are those of the readout.
    to = "all_to_all" if args.recurrent else {"pairs": []}
    slow = sg.Projection("slow", 20.0, "hidden", "hidden", connector=to)
    made = sg.Network(populations=[hidden], projections=[slow], inputs=12, outputs=9)
    return made.initialise(args.seed, h=args.h).copy(dtype="float32")


def own(train, test, args):
    import spikegrad as sg

    sg.set_num_threads(args.threads)
    made = network(args)
    (x, y, n), (x_test, y_test, n_test) = train, test
    times, last = [], [clock()]

    def watch(done):
        if (done["iteration"] + 1) % (len(x) // BATCH) == 0:
            times.append(clock() - last[0])
            last[0] = clock()

    data = sg.Dataset(x, y, interval=INTERVAL, lengths=n)
    made.train(data, loss="cross-entropy", h=args.h, epochs=args.epochs, batch=BATCH, seed=args.seed, progress=False, callback=watch, short_crossings=1.0)
    scores = made.predict(sg.Dataset(x_test, interval=INTERVAL, lengths=n_test), "cross-entropy", h=args.h)
    return times, float((scores.argmax(axis=1) == y_test).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--neurons", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--h", type=float, default=5.0)
    parser.add_argument("--recurrent", action="store_true")
    parser.add_argument("--only", choices=["snntorch", "own"])
    args = parser.parse_args()
    train, test = load(args.train), load(args.test)
    mean, deviation = train[0].reshape(-1, 12).mean(axis=0), train[0].reshape(-1, 12).std(axis=0)
    train, test = (((x - mean) / deviation, y, n) for x, y, n in (train, test))
    for name, run in (("snntorch", snntorch), ("own", own)):
        if args.only in (None, name):
            times, accuracy = run(train, test, args)
            wall, cpu = np.median(times, axis=0)
            print(f"{name}: {wall:.4f} s an epoch, {cpu:.4f} s of the processor, {args.threads} threads; accuracy {100 * accuracy:.2f} %", flush=True)


if __name__ == "__main__":
    main()
