"""Spiking neural networks trained by exact gradient descent.

``Network`` is where to begin: it is made of a description, runs trials, computes exact gradients and trains. ``spikegrad.torch`` and
``spikegrad.jax`` put it between the layers of these libraries, ``spikegrad.sklearn`` has estimators for time series, ``spikegrad.plot``
draws. These four are imported on demand, and need their libraries.
"""

from ._description import Loss, Population, Projection, Readout, Source, models
from ._network import CheckReport, Gradient, HealthReport, Network, Parameter, Recording, State, Tape, Vjp
from ._spikegrad import __version__, num_threads, set_num_threads
from ._trials import Dataset

__all__ = [
    "CheckReport",
    "Dataset",
    "Gradient",
    "HealthReport",
    "Loss",
    "Network",
    "Parameter",
    "Population",
    "Projection",
    "Readout",
    "Recording",
    "Source",
    "State",
    "Tape",
    "Vjp",
    "__version__",
    "models",
    "num_threads",
    "set_num_threads",
]
