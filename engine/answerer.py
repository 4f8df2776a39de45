"""The answerer: what a signal is worth at a place of the market, by model, mode and policy."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.answer import Answer
from engine.bar_book import NO_BAR, TOO_LATE
from engine.deployments import Deployments
from engine.desk import Desk
from engine.in_force import InForce
from engine.policies import Policies
from models.adapter import WARMING
from models.mode import CANARY, NO_MODEL, decide
from models.onnx_session import Model
from models.settings import MlSettings
from streams.events import Deployment, Signal

EXPIRED = "expired"
REASON_OF = {NO_BAR: "no_bar", TOO_LATE: "too_late"}


class Places(Protocol):
    """What is known of a place of the market: `engine.market.Market`, or a history's row."""

    def row(self, place: int) -> NDArray[np.float32]:
        """Return the features as of a place: float32, one value per feature name."""

    def has_bars(self, place: int, wanted: int) -> bool:
        """Whether the series of a place had at least `wanted` bars as of it."""


class Answerer:
    """Which model and which policy are in force, and the answer that they make of a signal.

    `convergence` int64 (features,): after how many bars each feature of `market` no longer
    depends on where a history began.
    """

    def __init__(self, market: Places, convergence: NDArray[np.int64]) -> None:
        self.deployments = Deployments()
        self.policies = Policies()
        self._market = market
        self._convergence = convergence
        self._last: tuple[Desk, Signal, int] | None = None

    def deploy(
        self, deployment: Deployment, model: Model | None, *, is_first: bool = False
    ) -> None:
        """Bring a model into force; None is the null model. `is_first`: before any deployment."""
        self.deployments.add(self._in_force(deployment, model)._replace(is_first=is_first))

    def answer(self, desk: Desk, signal: Signal, place: int, row: int) -> Answer:
        """Answer from the features at a place, or with the reason why there are none."""
        self._last = (desk, signal, place)
        ml = desk.settings.ml
        speaker = self.deployments.for_signal(signal.strategy, signal.symbol, signal.ts)
        probability, vector = None, None
        reasons: tuple[str, ...] = ()
        if place < 0:
            reasons = (REASON_OF[place],)
        else:
            vector = desk.vector(signal, self._market.row(place))
            if ml.enabled:
                canary = self.deployments.canary_for(signal, speaker)
                if canary is not None:
                    probability, _ = self._ask(canary, ml, signal, place, vector)
                # A canary that cannot speak leaves the signal to the model in force.
                if canary is not None and probability is not None:
                    speaker, reasons = canary, (CANARY,)
                else:
                    probability, reasons = self._ask(speaker, ml, signal, place, vector)
        policy = self.policies.in_force(signal.strategy, signal.ts)
        decision = decide(ml, signal.score, probability, reasons, policy)
        version = speaker.version if speaker is not None else None
        return desk.answer(signal, decision, version, vector, row)

    def rehearse(self) -> Answer | None:
        """Make the last answer once more: nothing is changed by it; None before the first."""
        if self._last is None:
            return None
        desk, signal, place = self._last
        return self.answer(desk, signal, place, 0)

    def save(self) -> dict[str, Any]:
        """Return what is in force, as plain values."""
        return {"deployments": self.deployments.save(), "policies": self.policies.save()}

    def load(self, saved: Mapping[str, Any], models: Mapping[str, Model]) -> None:
        """Go on from what `save` returned, with the models by digest."""
        self.policies.load(saved["policies"])
        self.deployments.load(
            saved["deployments"],
            lambda one: self._in_force(one, models[one.digest] if one.digest else None),
        )

    def _ask(
        self,
        one: InForce | None,
        ml: MlSettings,
        signal: Signal,
        place: int,
        vector: NDArray[np.float32],
    ) -> tuple[float | None, tuple[str, ...]]:
        """Return a model's probability, or None and the reasons why it does not speak."""
        if one is None or one.model is None:
            return None, (NO_MODEL,)
        if one.is_expired(signal.ts, ml.max_age_days):
            return None, (EXPIRED,)
        if not self._market.has_bars(place, one.bars_needed):
            return None, (WARMING,)
        return one.model.speak(vector)

    def _in_force(self, deployment: Deployment, model: Model | None) -> InForce:
        bars_needed = 0
        if model is not None:
            market = model.columns[model.columns < len(self._convergence)]
            bars_needed = int(self._convergence[market].max(initial=0))
        version, effective_ts = deployment.version, deployment.effective_ts
        return InForce(version, effective_ts, model, bars_needed, deployment)
