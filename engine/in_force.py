"""A model in force: who speaks, and since when."""

from typing import NamedTuple

from models.onnx_session import Model
from streams.events import Deployment
from streams.interval import DAY_NS


class InForce(NamedTuple):
    """A model and since when it speaks. `model` None: the null model, nobody speaks.

    `bars_needed` is after how many bars of a symbol its features no longer depend on the start.
    `is_first`: it was put there by `ml.model_path`, before anything was deployed.
    """

    version: str
    effective_ts: int
    model: Model | None
    bars_needed: int
    deployment: Deployment
    is_first: bool = False

    def is_expired(self, ts: int, max_age_days: float | None) -> bool:
        """Whether the model is too old for a signal of event time `ts`; None: never.

        Its age counts from when it came into force; that of a `model_path`, in force from the
        beginning of time, from the last that it was trained on.
        """
        since = self.effective_ts
        if self.is_first and self.model is not None:
            since = max(self.model.card.training_to_ts, self.model.card.labels_to_ts)
        return max_age_days is not None and ts - since > max_age_days * DAY_NS
