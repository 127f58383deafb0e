"""A recurrent network of leaky integrate-and-fire neurons in snnTorch, by surrogate gradients: size, batch and steps of a problem."""

import math

import snntorch
import torch

from worker import DT, TAU, arguments, load, serve


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    data = {name: torch.from_numpy(array) for name, array in load(args).items()}
    neurons = len(data["b"])
    beta = math.exp(-DT / TAU)
    into = torch.nn.Linear(data["x"].shape[2], neurons)
    cell = snntorch.RLeaky(beta, linear_features=neurons, spike_grad=snntorch.surrogate.fast_sigmoid())
    out = torch.nn.Linear(neurons, data["target"].shape[2])
    with torch.no_grad():
        into.weight.mul_(0.01)
        # A constant current that alone gives about 15 Hz.
        into.bias.uniform_(1.02, 1.06).mul_(1 - beta)
        cell.recurrent.weight.normal_(0.0, 0.01 / math.sqrt(neurons))
        cell.recurrent.bias.zero_()
    modules = (into, cell, out)
    found = {}

    def run():
        for module in modules:
            module.zero_grad()
        current = into(data["x"])
        mem, spk = torch.rand_like(data["v0"]), torch.zeros_like(data["v0"])
        spikes = []
        for now in current.unbind(0):
            spk, mem = cell(now, spk, mem)
            spikes.append(spk)
        spikes = torch.stack(spikes)
        cost = 0.5 * ((out(spikes) - data["target"]) ** 2).mean()
        cost.backward()
        found["rate_hz"] = 1e3 / DT * spikes.mean().item()
        found["cost"] = cost.item()

    serve(run, lambda: found)


if __name__ == "__main__":
    main()
