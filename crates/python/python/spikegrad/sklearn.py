"""Estimators for time series with the interface of scikit-learn: `SpikingClassifier` and `SpikingRegressor`.

Series are arrays of cases x channels x time points, as aeon and sktime have them; an array with two axes is cases x time points of
one channel; a list of arrays, channels x time points each, is of series of unequal lengths.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("spikegrad.sklearn needs scikit-learn 1.6 or later: pip install scikit-learn") from error

from ._description import Loss, Population, Projection
from ._network import Network
from ._trials import Dataset

__all__ = ["SpikingClassifier", "SpikingRegressor"]

# What the command `spikegrad new` writes: the duration of a trial if nothing says how long it is and the longest step, ms.
_DURATION = 200.0
_LONGEST_STEP = 0.5
_ITERATIONS = 2000.0


def _nice(x: float) -> float:
    """A number of the form 1, 2 or 5 times a power of ten, near x."""
    power = 10.0 ** np.floor(np.log10(x))
    part = x / power
    return float(power * (1.0 if part < 1.5 else 2.0 if part < 3.5 else 5.0 if part < 7.5 else 10.0))


class _Spiking(BaseEstimator):
    """What classifier and regressor share."""

    def __init__(
        self,
        n_neurons: int = 64,
        *,
        model: str = "LIF",
        network: Optional[Network] = None,
        interval: Union[float, str] = "auto",
        h: Union[float, str] = "auto",
        read: str = "mean",
        epochs: Union[float, str] = "auto",
        batch_size: Union[int, str] = "auto",
        optimiser: str = "adam",
        learning_rate: Union[float, Mapping[str, float]] = 0.02,
        clip: float = 0.9,
        validation_fraction: float = 0.0,
        patience: Optional[int] = None,
        standardise: bool = True,
        dtype: str = "float32",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.n_neurons = n_neurons
        self.model = model
        self.network = network
        self.interval = interval
        self.h = h
        self.read = read
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimiser = optimiser
        self.learning_rate = learning_rate
        self.clip = clip
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.standardise = standardise
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    # Series

    def _series(self, X: Any, reset: bool, y: Any = None) -> Tuple[np.ndarray, Optional[np.ndarray], Any]:
        """Cases x time points x channels, their lengths where they differ, and the targets as scikit-learn checks them."""
        lengths = None
        if isinstance(X, (list, tuple)) and len(X) and all(np.ndim(case) == 2 for case in X):
            lengths = np.array([np.shape(case)[1] for case in X])
            if (lengths == lengths[0]).all():
                X, lengths = np.array([np.asarray(case) for case in X]), None
            else:
                if len({np.shape(case)[0] for case in X}) != 1:
                    raise ValueError("all series must have the same number of channels")
                padded = np.zeros((len(X), np.shape(X[0])[0], lengths.max()))
                for row, case in zip(padded, X):
                    row[:, : np.shape(case)[1]] = case
                X = padded
        keywords: Dict[str, Any] = {"dtype": np.float64, "allow_nd": True, "reset": reset}
        if not reset:
            X = validate_data(self, X, **keywords)
        else:
            # Where there is no y, scikit-learn says so.
            X, y = validate_data(self, X, y, multi_output=self._multi_output, y_numeric=self._y_numeric, **keywords)
        if X.ndim > 3:
            raise ValueError(f"Found array with dim {X.ndim}, while dim <= 3 is required: cases x channels x time points")
        series = X[:, :, None] if X.ndim == 2 else np.transpose(X, (0, 2, 1))
        if not reset and X.ndim == 3 and series.shape[2] != self.n_channels_:
            raise ValueError(f"the estimator was fitted on {self.n_channels_} channels, and is given {series.shape[2]}")
        return series, lengths, y

    def _scaled(self, series: np.ndarray, lengths: Optional[np.ndarray], fit: bool) -> np.ndarray:
        """Channels at mean 0 and deviation 1, as measured in fitting; zero behind the end of a series."""
        real = np.ones(series.shape[:2], bool) if lengths is None else np.arange(series.shape[1]) < lengths[:, None]
        if fit:
            values = series[real]
            self.mean_ = values.mean(axis=0) if self.standardise else np.zeros(series.shape[2])
            deviation = values.std(axis=0) if self.standardise else np.ones(series.shape[2])
            self.deviation_ = np.where(deviation > 0.0, deviation, 1.0)
        return np.where(real[..., None], (series - self.mean_) / self.deviation_, 0.0)

    def _dataset(self, series: np.ndarray, lengths: Optional[np.ndarray], targets: Any = None) -> Dataset:
        return Dataset(series.astype(self.dtype), targets, interval=self.interval_, lengths=lengths)

    # Training

    def _make(self, channels: int, outputs: int, seed: int) -> Network:
        if self.network is not None:
            made = self.network.copy(dtype=self.dtype)
            if (made.inputs, made.outputs) != (channels, outputs):
                raise ValueError(f"the network has {made.inputs} inputs and {made.outputs} outputs, the data {channels} and {outputs}")
            return made
        made = Network(
            populations=[Population("hidden", self.model, int(self.n_neurons), width=0.5)],
            projections=[Projection("slow", 20.0, "hidden", "hidden")],
            inputs=channels,
            outputs=outputs,
            dtype="float64",
        )
        return made.initialise(seed, h=self.h_).copy(dtype=self.dtype)

    def _train(self, series: np.ndarray, lengths: Optional[np.ndarray], targets: np.ndarray, outputs: int, loss: Loss) -> None:
        random = check_random_state(self.random_state)
        seed = int(random.randint(np.iinfo(np.int32).max))
        cases, points, channels = series.shape
        self.n_channels_ = channels
        self.interval_ = max(1.0, _nice(_DURATION / points)) if self.interval == "auto" else float(self.interval)
        self.h_ = self.interval_ / np.ceil(self.interval_ / _LONGEST_STEP) if self.h == "auto" else float(self.h)
        scaled = self._scaled(series, lengths, True)
        data = self._dataset(scaled, lengths, targets)
        training, validation = data, None
        held_out = int(np.ceil(self.validation_fraction * cases)) if self.validation_fraction else 0
        if held_out:
            if not 0.0 < self.validation_fraction < 1.0 or held_out >= cases:
                raise ValueError(f"validation_fraction = {self.validation_fraction}: it must leave cases to train on")
            order = random.permutation(cases)
            training, validation = data.subset(order[held_out:]), data.subset(order[:held_out])
        count = len(training)
        batch = self.batch_size
        if batch == "auto":
            batch = next((b for b in (32, 16, 8, 4, 2) if count / b >= 8.0), 1)
        epochs = self.epochs
        if epochs == "auto":
            epochs = _nice(float(np.clip(_ITERATIONS * batch / count, 2.0, 100.0)))
        self.network_ = self._make(channels, outputs, seed)
        rates = self.learning_rate
        if not isinstance(rates, Mapping):
            rates = self.network_.suggested_rates(float(rates))
        self.history_: List[Dict[str, Any]] = self.network_.train(
            training, loss=loss, validation=validation, h=self.h_, epochs=float(epochs), batch=int(batch), seed=seed,
            optimiser=self.optimiser, rates=rates, clip=self.clip, patience=self.patience, short_crossings=1.0,
            progress=bool(self.verbose),
        )
        self.n_iter_ = len(self.history_)

    def _scores(self, X: Any, loss: Loss) -> np.ndarray:
        check_is_fitted(self, "network_")
        series, lengths, _ = self._series(X, False)
        data = self._dataset(self._scaled(series, lengths, False), lengths)
        return self.network_.predict(data, loss, h=self.h_)


_PARAMETERS = """
    Parameters
    ----------
    n_neurons : number of neurons.
    model : the neuron model.
    network : a network of one's own in place of one population with a recurrent projection; it is copied, not drawn.
    interval : time between two points of a series, ms; by default trials last about 200 ms.
    h : step, ms; by default at most 0.5 ms.
    read : what is read from an output: its ``"mean"``, ``"last"`` or ``"maximum"`` value over time.
    epochs, batch_size, optimiser, clip, patience : as of `Network.train`; by default about 2000 iterations, at most 100 epochs.
    learning_rate : a number, the part of a parameter's size that it is moved by; or a dict of learning rates by names.
    validation_fraction : the part of the cases that chooses the best network; 0 for the last one.
    standardise : whether channels are brought to mean 0 and deviation 1.
    dtype : the numbers that the network computes in.
    random_state : a seed or a generator, for weights and orders.
    verbose : whether a bar is shown.

    Attributes
    ----------
    network_ : the trained `Network`.
    history_ : what every iteration of the training did.
    n_iter_ : number of iterations.
"""


class SpikingClassifier(ClassifierMixin, _Spiking):
    __doc__ = "A network of spiking neurons that classifies time series, trained by its exact gradient on the cross-entropy.\n" + _PARAMETERS

    _multi_output = False
    _y_numeric = False

    def _loss(self) -> Loss:
        return Loss("cross-entropy", score=self.read)

    def fit(self, X: Any, y: Any) -> "SpikingClassifier":
        """Trains on series and their classes."""
        series, lengths, y = self._series(X, True, y)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        self._train(series, lengths, labels.astype(np.int64), len(self.classes_), self._loss())
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, cases x classes, in the order of ``classes_``."""
        scores = self._scores(X, self._loss())
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each case."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]


class SpikingRegressor(RegressorMixin, _Spiking):
    __doc__ = "A network of spiking neurons that predicts numbers from time series, trained by its exact gradient on the squared error.\n" + _PARAMETERS

    _multi_output = True
    _y_numeric = True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        # The check of the score is on a table one of whose columns decides: as a series, one point in time, which means over time
        # hardly tell from the others.
        tags.regressor_tags.poor_score = True
        return tags

    def _loss(self) -> Loss:
        return Loss("squared-error", score=self.read)

    def fit(self, X: Any, y: Any) -> "SpikingRegressor":
        """Trains on series and numbers, one or several for each."""
        series, lengths, y = self._series(X, True, y)
        targets = np.asarray(y, dtype=np.float64)
        self._flat_targets = targets.ndim == 1
        targets = targets.reshape(len(targets), -1)
        self.target_mean_ = targets.mean(axis=0)
        deviation = targets.std(axis=0)
        self.target_deviation_ = np.where(deviation > 0.0, deviation, 1.0)
        scaled = (targets - self.target_mean_) / self.target_deviation_
        self._train(series, lengths, scaled, targets.shape[1], self._loss())
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The numbers of each case."""
        values = self._scores(X, self._loss()) * self.target_deviation_ + self.target_mean_
        return values[:, 0] if self._flat_targets else values
