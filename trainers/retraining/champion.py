"""The model in force, as a judge of past samples."""

import numpy as np
from numpy.typing import NDArray

from models.card import ModelCard
from models.onnx_session import Model


def frozen_ts_of(card: ModelCard) -> int:
    """Return when the last label that a model was trained on was closed, UTC nanoseconds."""
    return max(card.training_to_ts, card.labels_to_ts)


class ServedChampion:
    """Speaks on served vectors as the scorer would; NaN where it would be silent."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def version(self) -> str:
        """The model's short name."""
        return self._model.version

    @property
    def frozen_ts(self) -> int:
        """When the last label that it was trained on was closed, UTC nanoseconds."""
        return frozen_ts_of(self._model.card)

    @property
    def learned_to_ts(self) -> int:
        """When the last signal was made that its ranking was fitted on, UTC nanoseconds."""
        return self._model.card.training_to_ts

    def probability(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return its probabilities of x[n, all columns], float64[n]."""
        said = (self._model.speak(np.ascontiguousarray(row))[0] for row in x)
        return np.array([np.nan if p is None else p for p in said], dtype=np.float64)
