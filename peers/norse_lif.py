"""A recurrent network of leaky integrate-and-fire neurons in Norse, by surrogate gradients: size, batch and steps of a problem."""

import math

import norse.torch
import torch

from worker import DT, TAU, TAU_F, arguments, load, serve


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    data = {name: torch.from_numpy(array) for name, array in load(args).items()}
    neurons = len(data["b"])
    # The constant current that gives about 15 Hz comes in by a channel of its own: the layer has no bias.
    x = torch.cat([data["x"], torch.ones_like(data["x"][..., :1])], dim=2)
    parameters = norse.torch.LIFParameters(
        tau_syn_inv=torch.tensor(1e3 / TAU_F), tau_mem_inv=torch.tensor(1e3 / TAU)
    )
    layer = norse.torch.LIFRecurrent(x.shape[2], neurons, parameters, dt=1e-3 * DT)
    out = torch.nn.Linear(neurons, data["target"].shape[2])
    with torch.no_grad():
        layer.input_weights.normal_(0.0, 0.002)
        layer.input_weights[:, -1].uniform_(1.02, 1.06).mul_(DT / TAU_F)
        layer.recurrent_weights.normal_(0.0, 0.01 / math.sqrt(neurons)).fill_diagonal_(0.0)
    found = {}

    def run():
        layer.zero_grad()
        out.zero_grad()
        spikes, _ = layer(x)
        cost = 0.5 * ((out(spikes) - data["target"]) ** 2).mean()
        cost.backward()
        found["rate_hz"] = 1e3 / DT * spikes.mean().item()
        found["cost"] = cost.item()

    serve(run, lambda: found)


if __name__ == "__main__":
    main()
