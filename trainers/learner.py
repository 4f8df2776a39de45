"""What a learner is: one file under `trainers/learners/`, its filename its config name.

A learner file holds its hyperparameters and one function:

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True)

    fit(x: float32[n, k], y: int8[n], weights: float64[n], *, seed, threads, params) -> Fitted

Every hyperparameter has a default, which is the untuned model, and is one that holds at any
number of rows: a factor on a rule that grows with n rather than a count. Those that a search may
try say so, as a strategy's do (`engine.search_range`).

`fit` is given complete rows of both classes, sees nothing else, and is deterministic: the same
arguments give the same model, bit for bit. Only the proportions of the weights count: see
`trainers.sample_weights.relative`. What it returns names the library's own arithmetic
(`margin`) and the same arithmetic as an ONNX node (`add_margin`); the exporter proves that the
two agree. Calibration is not the learner's business: a margin needs only to rise with the
probability. A fitted model may also know its contributions, column by column: see
`trainers.evaluation.contributions`.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigError
from streams.strict import decode_strict, nearest
from trainers import learners
from trainers.graph import Graph

NULL = "constant"


class Fitted(Protocol):
    """A fitted model of margins."""

    def margin(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the margins of x[n, k], float64[n], in the library's own arithmetic."""
        ...

    def add_margin(self, graph: Graph, features: str) -> str:
        """Add nodes that turn `features` float32[n, k] into margins float32[n, 1].

        Returns the name of the tensor that holds them.
        """
        ...

    def edges(self) -> list[tuple[int, float]]:
        """Return (column, value) of every point at which the margin jumps; [] where smooth."""
        ...


class Learner(Protocol):
    """A learner's module."""

    Params: type[msgspec.Struct]

    def fit(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.int8],
        weights: NDArray[np.float64],
        *,
        seed: int,
        threads: int,
        params: Any = ...,
    ) -> Fitted:
        """Fit the learner to weighted samples; `params` are its `Params`."""
        ...


@cache
def learner_names() -> tuple[str, ...]:
    """Return the names of all learners, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(learners.__path__)))


def check_learner(name: str) -> None:
    """Raise ConfigError that names the nearest learner unless there is one called `name`."""
    if name not in learner_names():
        raise ConfigError(f"learner {name!r} is not known{nearest(name, learner_names())}")


def load_learner(name: str) -> Learner:
    """Return the learner called `name`; raises ConfigError as above."""
    check_learner(name)
    return cast(Learner, importlib.import_module(f"{learners.__name__}.{name}"))


def decode_params(name: str, given: Mapping[str, Any], origin: str) -> msgspec.Struct:
    """Return a learner's hyperparameters, the defaults where `given` has none.

    Raises ConfigError that begins with `origin` for an unknown key or a value out of range.
    """
    return decode_strict(dict(given), load_learner(name).Params, origin)
