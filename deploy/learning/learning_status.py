"""Where every strategy stands: what a monitor shows, and what was last asked and decided."""

import msgspec

from deploy.config import RunSettings
from deploy.learning.answering import Answered, answered_of
from deploy.learning.standing_drift import StandingDrift, standing_drifts
from deploy.monitor.monitoring import Monitoring
from deploy.monitor.picture import Picture, StrategyPicture
from deploy.state import StateDir
from streams.nats_bus import NatsBus
from trainers.retraining.ledger import Ledger


class StrategyStatus(msgspec.Struct, frozen=True):
    """One strategy. `seen` is None before it has a model, an outcome or an event.

    `last` is what was decided last, whoever asked; None before that.
    """

    strategy: str
    seen: StrategyPicture | None
    standing: tuple[StandingDrift, ...]
    last: Answered | None


class LearningStatus(msgspec.Struct, frozen=True):
    """Every strategy that is configured or was seen, by name. `picture` has them with the roles."""

    strategies: tuple[StrategyStatus, ...]
    picture: Picture


async def status_of(
    bus: NatsBus, url: str, settings: RunSettings, state: StateDir, only: str | None = None
) -> LearningStatus:
    """Look at the broker of `bus`, which is at `url`; at one strategy, or at all."""
    monitoring = Monitoring(bus, url, settings, state, only)
    try:
        await monitoring.open()
        picture = await monitoring.picture()
    finally:
        await monitoring.close()
    standing = await standing_drifts(bus, only)
    last = {one.deployment.strategy: one for one in await Ledger(bus).decisions()}
    seen = {one.strategy: one for one in picture.strategies}
    names = {only} if only is not None else {*seen, *(one.name for one in settings.strategies)}
    return LearningStatus(
        tuple(
            StrategyStatus(
                name,
                seen.get(name),
                tuple(one for one in standing if one.strategy == name),
                answered_of(last[name]) if name in last else None,
            )
            for name in sorted(names)
        ),
        picture,
    )
