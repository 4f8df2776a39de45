"""A synthetic market that turns against its model: the truth is known, so is the alarm's delay."""

from deploy.config import RunSettings
from deploy.scenario import Instant, Scenario, Truth
from streams.events import Bar, Signal
from streams.sources import layer_b
from streams.strict import decode_strict

TRAINING_SIGNALS = 2_000
WARM_UP_INSTANTS = 520


def load(settings: RunSettings) -> Scenario:
    """Return the scenario on the market that `settings.data.params` describes."""
    market = decode_strict(settings.data.params, layer_b.Params, "data.params")
    instants = list(layer_b.instants(settings.data.source_settings(), market))
    signal_ts = [e.ts for instant in instants for e in instant if isinstance(e, Signal)]
    from_ts = signal_ts[TRAINING_SIGNALS]
    training = [instant for instant in instants if instant[0].ts < from_ts]
    warm_up = [_bars(instant) for instant in training[-WARM_UP_INSTANTS:]]
    return Scenario(
        title=f"synthetic market, {market.symbols} symbols, {market.drift} planted",
        training=training,
        replayed=[*warm_up, *instants[len(training) :]],
        from_ts=from_ts,
        truth=Truth(
            kind=market.drift,
            at_signal=sum(from_ts <= ts for ts in signal_ts[: market.drift_at]),
            at_ts=signal_ts[market.drift_at],
            bayes_auc=market.bayes_auc,
        ),
    )


def _bars(instant: Instant) -> Instant:
    """Warm-up bars carry no signals: theirs are training samples already."""
    return [event for event in instant if isinstance(event, Bar)]
