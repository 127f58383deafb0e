"""The gated split step of the theta network in PyTorch: a loop, reverse-mode automatic differentiation.

Form `compiled`: stretches of steps go through `torch.compile`. Longer stretches are hardly faster and take minutes to compile.
"""

import math

import torch

from worker import DT, LAMBDA, PARAMETERS, TAU, TAU_F, TAU_V, WIDTH, arguments, load, serve

A, A_FAST = math.exp(-DT / TAU), math.exp(-DT / TAU_F)
STRETCH = 20


def charge(v):
    turns = torch.floor(v)
    h = torch.clamp((v - turns - (1 - WIDTH)) / WIDTH, 0, 1)
    return turns + h - torch.sin(2 * math.pi * h) / (2 * math.pi)


def stretch(w, wf, drives, v, g, s, sf):
    activity = []
    for drive in drives.unbind(0):
        current = torch.addmm(torch.addmm(drive, s, w), sf, wf)
        c = torch.cos(2 * math.pi * v)
        v = v + DT * ((1 + c) / TAU_V + (1 - c) * current)
        g, before = charge(v), g
        q = (g - before) / DT
        s = A * s + (1 - A) * q
        sf = A_FAST * sf + (1 - A_FAST) * q
        activity.append(s)
    return v, g, s, sf, torch.stack(activity)


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    data = {name: torch.from_numpy(array) for name, array in load(args).items()}
    parameters = {name: data[name].requires_grad_() for name in PARAMETERS}
    advance = torch.compile(stretch) if args.form == "compiled" else stretch
    found = 0.0

    def run():
        nonlocal found
        for parameter in parameters.values():
            parameter.grad = None
        drive = data["x"] @ parameters["U"].T + parameters["b"]
        w, wf = parameters["W"].T, parameters["Wf"].T
        v = data["v0"]
        g, s, sf = charge(v), torch.zeros_like(v), torch.zeros_like(v)
        activity = []
        for drives in drive.split(STRETCH):
            v, g, s, sf, part = advance(w, wf, drives, v, g, s, sf)
            activity.append(part)
        s = torch.cat(activity)
        error = s @ parameters["O"].T - data["target"]
        cost = DT / len(v) * (0.5 * (error**2).sum() + 0.5 * LAMBDA * (s**2).sum())
        cost.backward()
        found = cost.item()

    def about():
        norms = {name: parameter.grad.double().norm().item() for name, parameter in parameters.items()}
        return {"cost": found, "grad_norms": norms}

    serve(run, about)


if __name__ == "__main__":
    main()
