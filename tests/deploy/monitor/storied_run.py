"""A run that has a story: models, outcomes, an alarm, a policy; written straight into a bus."""

import math

import numpy as np

from models.registry import Registry
from streams import codec, subjects
from streams.bus import Bus
from streams.events import Audit, Deployment, Drift, Outcome, Policy, Progress, Retrain

DAY_NS = 86_400_000_000_000
START_NS = 1_577_836_800_000_000_000
DIGEST = "ab" * 32


def outcome(strategy: str, number: int, y: int, p: float | None, model: str | None) -> Outcome:
    ts = START_NS + number * DAY_NS // 4
    return Outcome(
        signal_id=f"{strategy}-{number}",
        strategy=strategy,
        symbol=f"S{number % 3}",
        interval="1d",
        ts=ts,
        side=1,
        accepted=True,
        entry_ts=ts + DAY_NS,
        exit_ts=ts + 3 * DAY_NS,
        entry_price=100.0,
        exit_price=101.0,
        y_return=0.01,
        r_multiple=1.0 if y else -1.0,
        y_pnl_gross=1.0,
        y_pnl_net=1.0,
        y_binary=y,
        exit_reason="target",
        virtual=True,
        probability=p,
        model=model,
    )


def outcomes(strategy: str, count: int, model: str, *, skill: float, seed: int) -> list[Outcome]:
    """Outcomes of a calibrated model (skill > 0), or of one whose ranking is reversed."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0.0, 0.6, count)
    told = 1.0 / (1.0 + np.exp(-log_odds))
    truth = 1.0 / (1.0 + np.exp(-math.copysign(1.0, skill) * log_odds))
    wins = (rng.random(count) < truth).astype(int)
    return [
        outcome(strategy, n, int(y), float(p), model)
        for n, (y, p) in enumerate(zip(wins, told, strict=True))
    ]


async def say(bus: Bus, subject: str, event) -> None:
    await bus.publish(subject, codec.encode(event))


async def judge(bus: Bus, events: list[Outcome], *, seq: int = 1) -> None:
    """Publish outcomes, and the labeller's word that vouches for all of them."""
    for event in events:
        await bus.send(subjects.outcome(event.strategy, event.symbol), codec.encode(event))
    await bus.flush()
    last_ts = max(event.exit_ts for event in events)
    await say(bus, subjects.progress("labeller", 0), Progress("labeller", 0, last_ts, seq))


async def tell_story(bus: Bus, strategy: str, *, count: int = 400) -> str:
    """Let a strategy have a model in force, and all that an operator may see but outcomes."""
    model = f"{strategy}-0123456789ab"
    await Registry(bus).point(
        strategy, None, model, DIGEST, effective_ts=START_NS, expected=0, pinned=False
    )
    verdict = {"reason": "better", "gate_auc": 0.58}
    made = Deployment(strategy, None, model, DIGEST, START_NS, None, verdict)
    await say(bus, subjects.deployed(strategy), made)
    at = START_NS + count * DAY_NS // 8
    drift = Drift(
        strategy, None, "detected", "ranking", "slope", 2e4, 1e4, 150, at - DAY_NS, 1e4, model, at
    )
    await say(bus, subjects.drift(strategy), drift)
    await say(
        bus,
        subjects.retrain(strategy),
        Retrain("r1", strategy, None, "drift:slope", at - DAY_NS, "drift", at),
    )
    kept = Deployment(strategy, None, "", "", at, model, {"reason": "not_better_than_champion"})
    await say(bus, subjects.kept(strategy), kept)
    policy = Policy(strategy, "observe", "ann", "looks odd")
    await say(bus, subjects.policy(strategy), policy)
    audit = Audit(strategy, None, "pin", model, "ann", "while I look", START_NS)
    await say(bus, subjects.audit(strategy), audit)
    return model
