from engine.labeller import Labeller
from engine.settings import CostSettings, LabelSettings, StrategySettings
from streams.events import Bar, Signal
from streams.source import market_instants
from streams.source_settings import SourceSettings
from streams.synthetic_market import START_NS, MarketSettings, simulate
from tests.engine.labelling import answer_to, outcomes

HOUR_NS = 3_600_000_000_000
PARAMS = {"seed": 9, "symbols": 8, "signals": 400, "warm_up_bars": 3}
STRATEGY = StrategySettings(
    name="synthetic",
    kind="external",
    interval="1h",
    label=LabelSettings(rule="triple_barrier", target_r=1.0, max_hold_bars=0),
    costs=CostSettings(bps_per_side=0.0),
)


def test_the_labeller_finds_the_outcomes_that_the_synthetic_market_made() -> None:
    market = simulate(MarketSettings(**PARAMS))
    labeller = Labeller((STRATEGY,))
    found = {}
    for events in market_instants(SourceSettings(kind="layer_b", interval="1h", params=PARAMS)):
        for event in events:
            known = event if isinstance(event, Bar) else answer_to(event)
            assert isinstance(event, Bar | Signal)
            found |= {o.signal_id: o for o in outcomes(labeller.step(known))}
    assert len(found) == 400
    for number, outcome in enumerate(found[f"synthetic-{i:06d}"] for i in range(400)):
        assert outcome.y_binary == market.won[number]
        assert outcome.exit_ts == START_NS + (market.exit_instant[number] + 1) * HOUR_NS
        assert abs(abs(outcome.r_multiple) - 1.0) < 1e-6
