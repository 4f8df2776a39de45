"""The drift monitor with two feeds: outcomes and answers, in whatever order they come."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.answer import Answer
from engine.drift import drift_monitor
from engine.drift.drift_monitor import DriftMonitor
from engine.drift.score_watch import ScoreWatch
from engine.settings import DriftSettings, InputWatchSettings
from streams.events import Drift, Event, Progress, Scored
from tests.engine.drift.judging import DAY_NS, drifts, requests, run, stream, watermark

INPUTS = InputWatchSettings(reference_signals=150, block_signals=75, budget=1_000.0)
SETTINGS = DriftSettings(
    budget=50.0, reference_outcomes=20, cooldown_outcomes=5, review_outcomes=40, inputs=INPUTS
)
COUNT = 330
OUTCOMES = stream(8, COUNT, "FLIP", 150)


def answers_of(seed: int) -> list[Scored]:
    """One answer a day, whose only input moves at day 200."""
    rng = np.random.default_rng(seed)
    served = rng.standard_normal(COUNT) + 3.0 * (np.arange(COUNT) >= 200)
    found = []
    for one, value in zip(OUTCOMES, served, strict=True):
        found.append(
            Scored(
                signal_id=one.signal_id,
                strategy=one.strategy,
                symbol=one.symbol,
                interval=one.interval,
                ts=one.ts,
                side=1,
                score=0.5,
                price=100.0,
                stop=None,
                features={},
                probability=one.probability,
                final_score=0.5,
                accepted=True,
                mode="filter",
                threshold=0.5,
                weight=0.0,
                model=one.model,
                reasons=(),
                inputs=np.array([value], dtype="<f4").tobytes(),
                features_digest="digest",
            )
        )
    return found


SCORED = answers_of(3)


def scored_upto(day: int) -> Progress:
    return Progress("scorer", 0, day * DAY_NS, 0)


def monitor() -> DriftMonitor:
    return DriftMonitor(SETTINGS, scores=ScoreWatch(INPUTS))


EXPECTED = run(monitor(), [*SCORED, scored_upto(100_000), *OUTCOMES, watermark(100_000)])


def test_inputs_and_outcomes_are_both_told_of() -> None:
    channels = {drift.channel for drift in drifts(EXPECTED)}
    assert channels == {"ranking", "calibration", "inputs"}
    assert {request.action for request in requests(EXPECTED)} >= {"retrain", "review"}
    # Only what the outcomes say asks for anything.
    without = run(DriftMonitor(SETTINGS), [*OUTCOMES, watermark(100_000)])
    assert requests(without) == requests(EXPECTED)


def test_all_is_said_in_the_order_of_event_time() -> None:
    said = [answer.event.ts for answer in EXPECTED]  # type: ignore[union-attr]
    assert said == sorted(said)
    assert len({answer.identity for answer in EXPECTED}) == len(EXPECTED)


def blocks(events: list[Event], cuts: list[int], vouch: object) -> list[list[Event]]:
    """Events in blocks, each with the progress behind it that vouches for it."""
    found = []
    for start, stop in zip([0, *cuts], [*cuts, COUNT], strict=True):
        found.append([*events[start:stop], vouch(stop)])  # type: ignore[operator]
    return found


@settings(max_examples=15)
@given(data=st.data())
def test_the_order_of_arrival_between_the_feeds_changes_nothing(data: st.DataObject) -> None:
    cuts = st.lists(st.integers(1, COUNT - 1), max_size=6, unique=True).map(sorted)
    # The outcome of the signal of day n is known on day n + 3.
    feeds = [
        blocks(list(SCORED), data.draw(cuts), scored_upto),
        blocks(list(OUTCOMES), data.draw(cuts), lambda stop: watermark(stop + 3)),
    ]
    one, answers = monitor(), list[Answer]()
    while any(feeds):
        feed = data.draw(st.sampled_from([feed for feed in feeds if feed]))
        before = one.progress_ts
        said = run(one, feed.pop(0))
        assert all(before < a.event.ts <= one.progress_ts for a in said)  # type: ignore[union-attr]
        answers += said
    answers += run(one, [scored_upto(100_000), watermark(100_000)])
    assert answers == EXPECTED


def test_nothing_is_said_before_the_scorers_vouch_for_it() -> None:
    one = monitor()
    assert run(one, [*OUTCOMES, watermark(100_000)]) == []
    assert one.progress_ts == 0
    said = run(one, [*SCORED, scored_upto(250)])
    assert one.progress_ts == 250 * DAY_NS
    assert said == [a for a in EXPECTED if a.event.ts <= 250 * DAY_NS]  # type: ignore[union-attr]


def test_without_a_watch_over_scores_answers_hold_nobody() -> None:
    one = DriftMonitor(SETTINGS)
    said = run(one, [*SCORED, *OUTCOMES, watermark(100_000)])
    assert {drift.channel for drift in drifts(said)} == {"ranking", "calibration"}
    assert one.progress_ts == 100_000 * DAY_NS


def test_words_that_wait_for_outcomes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_monitor, "SCORE_WORDS_WAITING_MAX", 1)
    early = [a for a in EXPECTED if isinstance(a.event, Drift) and a.event.channel == "inputs"]
    assert len(early) > 1
    said = run(monitor(), [*SCORED, scored_upto(100_000)])
    assert said == early[:-1]


def test_a_monitor_that_was_saved_keeps_the_words_that_wait() -> None:
    one, other = monitor(), monitor()
    run(one, [*SCORED, scored_upto(100_000), *OUTCOMES[:100]])
    saved = one.save()
    packed = msgspec.msgpack.decode(msgspec.msgpack.encode(saved.facts))
    other.load(saved._replace(facts=packed))
    assert run(other, [*OUTCOMES[100:], watermark(100_000)]) == EXPECTED
