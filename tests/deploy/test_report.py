"""What the final table says follows from the messages that were counted."""

import io
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from deploy.figures import NO_SKILL, TOO_LITTLE, area_of, figures_of
from deploy.report import in_words, report_of
from deploy.scenario import Truth
from deploy.tally import PAUSE_NS, Judged, Tally
from streams import codec
from streams.bus import Message
from streams.columns import pack_bars, pack_signals
from streams.events import Bar, Deployment, Drift, Event, Outcome, Policy, Scored, Signal

DAY_NS = 86_400_000_000_000
START_NS = 10_000 * DAY_NS


def ts_of(number: int) -> int:
    return START_NS + number * DAY_NS


def raw(number: int, **changes: Any) -> Signal:
    values = {"stop": 95.0, "features": {}} | changes
    name = f"s-{number}"
    return Signal(name, "alpha", "X", "1d", ts_of(number), 1, 0.6, 100.0, **values)


def answer(number: int, *, accepted: bool = True, reasons: tuple[str, ...] = ()) -> Scored:
    return Scored(
        **msgspec.structs.asdict(raw(number)),
        probability=0.5,
        final_score=0.6,
        accepted=accepted,
        mode="filter",
        threshold=0.5,
        weight=0.3,
        model="alpha-1",
        reasons=reasons,
        inputs=b"",
        features_digest="",
    )


def outcome(
    number: int,
    y: int,
    probability: float | None = 0.5,
    *,
    accepted: bool = True,
    model: str = "alpha-1",
    virtual: bool = True,
) -> Outcome:
    return Outcome(
        signal_id=f"s-{number}",
        strategy="alpha",
        symbol="X",
        interval="1d",
        ts=ts_of(number),
        side=1,
        accepted=accepted,
        entry_ts=ts_of(number + 1),
        exit_ts=ts_of(number + 2),
        entry_price=100.0,
        exit_price=101.0,
        y_return=0.01,
        r_multiple=1.0 if y else -1.0,
        y_pnl_gross=1.0,
        y_pnl_net=1.0,
        y_binary=y,
        exit_reason="signal",
        virtual=virtual,
        probability=probability,
        model=model,
    )


def deployment(version: str, effective_ts: int, reason: str, **figures: float) -> Deployment:
    return Deployment("alpha", None, version, "d", effective_ts, None, {"reason": reason} | figures)


def drift(ts: int, level: str = "detected") -> Drift:
    return Drift("alpha", None, level, "ranking", "slope", 2e4, 1e4, 10, ts, 1e4, "alpha-1", ts)


def tally_of(events: Iterable[tuple[str, Event, int]], from_ts: int = 0) -> Tally:
    tally = Tally(("alpha",), from_ts)
    for subject, event, time_ns in events:
        tally.step(Message(subject, codec.encode(event), seq=1, time_ns=time_ns))
    return tally


def text_of(tally: Tally, truth: Truth | None = None, width: int = 140) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(report_of(figures_of(tally, truth), "a title"))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_all_and_accepted_outcomes_are_told_apart():
    events = [("x", answer(n, accepted=n % 2 == 0), 1) for n in range(4)]
    events += [("x", outcome(n, y=int(n < 3), accepted=n % 2 == 0), 1) for n in range(4)]
    [alpha] = figures_of(tally_of(events)).strategies
    assert (alpha.signals, alpha.accepted) == (4, 2)
    assert (alpha.all.outcomes, alpha.all.hit_rate, alpha.all.mean_r) == (4, 0.75, 0.5)
    assert (alpha.accepted_only.outcomes, alpha.accepted_only.hit_rate) == (2, 1.0)


def test_warm_up_real_trades_and_invalid_answers_do_not_count():
    events = [
        ("x", answer(0), 1),
        ("x", outcome(0, 1), 1),
        ("x", answer(5), 1),
        ("x", outcome(5, 1), 1),
        ("x", outcome(5, 0, virtual=False), 1),
        ("x", answer(6, accepted=False, reasons=("invalid:side",)), 1),
    ]
    [alpha] = figures_of(tally_of(events, from_ts=ts_of(3))).strategies
    assert (alpha.signals, alpha.invalid, alpha.all.outcomes) == (1, 1, 1)


def test_latency_is_from_the_signal_to_its_answer_whichever_is_read_first():
    events: list[tuple[str, Event, int]] = [
        ("x", raw(1), 1_000_000),
        ("x", answer(1), 1_500_000),
        ("x", answer(2), 3_000_000),
        ("x", raw(2), 2_000_000),
    ]
    figures = figures_of(tally_of(events))
    assert figures.signals_timed == 2
    assert figures.latency_us_p50 == pytest.approx(750.0)


def test_signals_in_columns_are_timed_one_by_one():
    events: list[tuple[str, Event, int]] = [
        ("x", pack_signals([raw(1), raw(2)]), 1_000_000),
        ("x", answer(1), 1_500_000),
        ("x", answer(2), 2_000_000),
    ]
    figures = figures_of(tally_of(events))
    assert figures.signals_timed == 2
    assert figures.latency_us_p50 == pytest.approx(750.0)


def test_skew_is_told_of_and_is_no_alarm_of_a_model():
    skew = Drift(
        strategy="alpha",
        symbol="X",
        level="detected",
        channel="skew",
        detector="skew_audit",
        statistic=0.5,
        threshold=1e-5,
        outcomes_seen=7,
        changepoint_ts=ts_of(1),
        false_alarm_budget=0.0,
        model=None,
        ts=ts_of(1),
        detail="ibs was served as 5, the bars say 0.5",
    )
    tally = tally_of([("drift.alpha", skew, 1)])
    assert tally.told[-1].text == "skew detected on X: ibs was served as 5, the bars say 0.5"
    assert not tally.strategies["alpha"].drifts


def test_throughput_leaves_pauses_out():
    bars = [Bar("X", "1d", ts_of(n), 1.0, 1.0, 1.0, 1.0, 1.0) for n in range(4)]
    times = [0, PAUSE_NS // 2, 10 * PAUSE_NS, 10 * PAUSE_NS + PAUSE_NS // 2]
    frames = [("x", pack_bars([bar]), 1 + at) for bar, at in zip(bars, times, strict=True)]
    tally = tally_of(frames)
    assert tally.bars == 4
    assert tally.bars_per_second() == pytest.approx(4.0)


def test_auc_and_its_error_are_those_of_the_probabilities():
    rng = np.random.default_rng(5)
    probability = rng.uniform(0.2, 0.8, size=400)
    judged = [
        Judged(ts_of(n), ts_of(n + 2), True, int(rng.uniform() < p), 0.0, float(p), "m")
        for n, p in enumerate(probability)
    ]
    area = area_of(judged)
    assert area.auc is not None
    assert area.standard_error is not None
    assert 0.55 < area.auc < 0.75
    assert 0.02 < area.standard_error < 0.04
    assert area_of(judged[:1]).auc is None


def test_no_skill_is_said_in_so_many_words():
    kept = deployment("alpha-1", ts_of(0), "not_better_than_null", p_value_vs_null=0.4)
    policy = Policy("alpha", "observe", "trainer", "initial: not_better_than_null")
    tally = tally_of([("models.kept.alpha", kept, 1), ("policy.alpha", policy, 1)])
    text = text_of(tally)
    assert f"alpha: {NO_SKILL}" in text
    assert "not better than the null model" in text
    assert "0.400" in text


def test_too_little_data_is_not_called_no_skill():
    kept = deployment("constant", ts_of(0), "too_few_samples")
    policy = Policy("alpha", "observe", "trainer", "initial: too_few_samples")
    text = text_of(tally_of([("models.kept.alpha", kept, 1), ("policy.alpha", policy, 1)]))
    assert TOO_LITTLE in text
    assert NO_SKILL not in text


def test_skill_is_claimed_only_beyond_two_standard_errors():
    deployed = ("models.deployed.alpha", deployment("alpha-1", ts_of(0), "better"), 1)
    sure = [("x", outcome(n, y=n % 2, probability=0.4 + 0.2 * (n % 2)), 1) for n in range(50)]
    blind = [
        ("x", outcome(n, y=(n // 2) % 2, probability=0.4 + 0.2 * (n % 2)), 1) for n in range(50)
    ]
    flat = [("x", outcome(n, y=n % 2), 1) for n in range(50)]
    assert "no skill shown" in text_of(tally_of([deployed, *blind]))
    assert "same probability" in text_of(tally_of([deployed, *flat]))
    noisy = [*sure, *[("x", outcome(n, y=n % 2, probability=0.5), 1) for n in range(50, 60)]]
    assert "the probabilities rank outcomes" in text_of(tally_of([deployed, *noisy]))


def test_a_planted_reversal_is_held_against_the_truth():
    before = [("x", outcome(n, y=n % 2, probability=0.4 + 0.2 * (n % 2)), 1) for n in range(20)]
    after = [("x", outcome(n, y=n % 2, probability=0.6 - 0.2 * (n % 2)), 1) for n in range(20, 40)]
    recovered = [
        ("x", outcome(n, y=n % 2, probability=0.4 + 0.2 * (n % 2), model="alpha-2"), 1)
        for n in range(40, 60)
    ]
    events = [
        ("models.deployed.alpha", deployment("alpha-1", ts_of(0), "better"), 1),
        *before,
        *after,
        ("drift.alpha", drift(ts_of(31)), 1),
        ("models.deployed.alpha", deployment("alpha-2", ts_of(40), "better"), 1),
        *recovered,
    ]
    truth = Truth("FLIP", at_signal=20, at_ts=ts_of(20), bayes_auc=0.7)
    flip = figures_of(tally_of(events), truth).flip
    assert flip is not None
    # Outcomes 20 to 29 had closed, two days after their signals, when the alarm came.
    assert (flip.alarm_delay_outcomes, flip.false_alarms) == (10, 0)
    assert (flip.before.auc, flip.after.auc, flip.recovered.auc) == (1.0, 0.0, 1.0)
    assert "FLIP planted at signal 20" in text_of(tally_of(events), truth)


def test_a_reversal_without_an_alarm_is_said():
    truth = Truth("FLIP", at_signal=20, at_ts=ts_of(20), bayes_auc=0.7)
    assert "no alarm was raised" in text_of(tally_of([]), truth)


def test_the_tables_fit_into_80_columns_without_a_word_lost():
    name = "rsi2_mean_reversion"
    tally = Tally((name,))
    for n in range(40):
        tally.take(msgspec.structs.replace(answer(n), strategy=name))
        tally.take(msgspec.structs.replace(outcome(n, n % 2), strategy=name))
    version = f"{name}-0123456789ab"
    figures = {"training_samples": 1234.0, "gate_outcomes": 1234.0, "gate_auc": 0.5}
    kept = deployment(version, ts_of(0), "not_inferior_after_drift", **figures)
    kept = msgspec.structs.replace(kept, strategy=name)
    tally.step(Message("models.kept.x", codec.encode(kept), seq=1, time_ns=1))
    text = text_of(tally, width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for word in (name, "accepted", "0123456789ab", "1234, 1234", "0.500 ± ", "champion"):
        assert word in text


def test_a_model_that_was_given_by_its_file_is_judged_without_a_deployment():
    answers = [("x", outcome(n, y=n % 2, probability=0.4 + 0.2 * (n % 2)), 1) for n in range(50)]
    noise = [("x", outcome(n, y=n % 2, probability=0.5), 1) for n in range(50, 60)]
    text = text_of(tally_of([*answers, *noise]))
    assert "the probabilities rank outcomes" in text


def test_an_unknown_reason_is_still_readable():
    assert in_words("better") == "better than null and what was in force"
    assert in_words("job_failed: out of memory") == "job failed: out of memory"


def test_a_report_is_one_json_document():
    tally = tally_of([("x", answer(1), 2), ("x", raw(1), 1), ("x", outcome(1, 1), 3)])
    document = msgspec.json.decode(msgspec.json.encode(figures_of(tally)))
    assert document["strategies"][0]["signals"] == 1
