"""The audit tells when a signal was served something else than its bars say."""

import msgspec
import numpy as np
import pytest

from engine.bar_book import BarBook
from engine.bar_intake import take_bars
from engine.context_settings import ContextSettings
from engine.labeller import Labeller
from engine.scorer import Scorer
from engine.settings import StrategySettings
from engine.skew_audit import CLEAN_TO_RECOVER, RTOL, SkewAudit, auditing
from models.feature_set import load_feature_set
from models.vector import digest_of, vector_names
from streams.columns import columns_of, pack_bars
from streams.events import Drift, Reset, Scored
from streams.session import session
from tests.engine.market import random_bars, signal_on

FEATURES = load_feature_set()
ALPHA = StrategySettings(name="alpha", kind="external")
DIGEST = digest_of(vector_names(FEATURES.names, ()))
BARS = random_bars("AAA", 620, seed=4)


def audit_over(bars) -> tuple[BarBook, SkewAudit]:
    book = BarBook()
    audit = SkewAudit(book, FEATURES, session("us_equity"), {"alpha": DIGEST})
    for start in range(0, len(bars), 50):
        new = take_bars(book, pack_bars(bars[start : start + 50]))
        assert new is not None
        audit.take(new)
    return book, audit


def answers_of(bars, on) -> list[Scored]:
    scorer = Scorer((ALPHA,), FEATURES, session("us_equity"))
    for bar in bars:
        scorer.step(bar)
    return [scorer.step(signal_on(bar, f"s{bar.ts}"))[0].event for bar in on]


def with_value(answer: Scored, feature: str, value: float) -> Scored:
    vector = np.frombuffer(answer.inputs, dtype="<f4").copy()
    vector[FEATURES.names.index(feature)] = value
    return msgspec.structs.replace(answer, inputs=vector.tobytes())


def test_what_the_scorer_serves_is_what_the_bars_say():
    _, audit = audit_over(BARS)
    for answer in answers_of(BARS, BARS[-100:]):
        assert audit.check(answer) == []
    assert (audit.audited, audit.unequal) == (100, 0)


def test_a_scorer_that_saw_other_bars_is_found_out():
    other = msgspec.structs.replace(BARS[-1], close=BARS[-1].low)
    _, audit = audit_over([*BARS[:-1], other])
    (answer,) = answers_of(BARS, BARS[-1:])
    (found,) = audit.check(answer)
    event = found.event
    assert isinstance(event, Drift)
    assert (event.channel, event.level, event.symbol, event.ts) == (
        "skew",
        "detected",
        "AAA",
        BARS[-1].ts,
    )
    assert event.detail.split(" ")[0] in FEATURES.names
    assert event.statistic > RTOL == event.threshold
    assert found.subject == "drift.alpha"


def test_a_scorer_whose_history_began_later_agrees_once_its_features_have_converged():
    longest = int(FEATURES.convergence.max())
    late = BARS[-longest - 5 :]
    (answer,) = answers_of(late, late[-1:])
    _, audit = audit_over(BARS)
    assert audit.check(answer) == []
    # The audit's own history may be the shorter one: what has not converged is not compared.
    _, young = audit_over(BARS[-40:])
    (answer,) = answers_of(BARS, BARS[-1:])
    assert young.check(answer) == []
    assert young.audited == 1


@pytest.mark.parametrize(("change", "differs"), [(1.0 + 1e-6, False), (1.0 + 1e-4, True)])
def test_a_value_may_differ_by_rounding_only(change: float, differs: bool):
    _, audit = audit_over(BARS)
    (answer,) = answers_of(BARS, BARS[-1:])
    value = np.frombuffer(answer.inputs, dtype="<f4")[FEATURES.names.index("rsi_14")]
    told = audit.check(with_value(answer, "rsi_14", float(value) * change))
    assert bool(told) == differs


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e30])
def test_absurd_values_differ_and_are_told_in_finite_figures(value: float):
    _, audit = audit_over(BARS)
    (answer,) = answers_of(BARS, BARS[-1:])
    (found,) = audit.check(with_value(answer, "ibs", value))
    assert np.isfinite(found.event.statistic)


def test_a_difference_is_said_once_and_its_end_as_well():
    _, audit = audit_over(BARS)
    (answer,) = answers_of(BARS, BARS[-1:])
    wrong = with_value(answer, "ibs", 5.0)
    assert len(audit.check(wrong)) == 1
    assert audit.check(wrong) == []
    said = [audit.check(answer) for _ in range(CLEAN_TO_RECOVER)]
    assert said[:-1] == [[]] * (CLEAN_TO_RECOVER - 1)
    assert said[-1][0].event.level == "recovered"
    assert audit.unequal == 2


def test_the_audit_knows_of_other_symbols_what_the_scorer_knew():
    lanes = [random_bars(f"S{n:02}", 90, seed=n) for n in range(11)]
    days = [list(instant) for instant in zip(*lanes, strict=True)]
    context = ContextSettings(market="S01", breadth=True)
    scorer = Scorer((ALPHA,), FEATURES, session("us_equity"), context=context)
    answers = []
    for day in days:
        for bar in day:
            scorer.step(bar)
        answers += [scorer.step(signal_on(bar, f"{bar.symbol}{bar.ts}"))[0].event for bar in day]
    for market, is_equal in (("S01", True), ("S02", False)):
        other = msgspec.structs.replace(context, market=market)
        book = BarBook()
        audit = SkewAudit(book, FEATURES, session("us_equity"), {"alpha": DIGEST}, other)
        audit.take(book.take(columns_of(pack_bars([bar for day in days for bar in day]))))
        told = [one.event for answer in answers for one in audit.check(answer)]
        assert audit.audited == len(answers)
        assert (audit.unequal == 0) == is_equal
        assert all("market" in event.detail.split(" ")[0] for event in told)
        assert len(told) == (0 if is_equal else len(lanes))


def test_what_cannot_be_compared_is_passed_over():
    _, audit = audit_over(BARS)
    (given,) = answers_of(BARS, BARS[-1:])
    for change in (
        {"inputs": b""},
        {"inputs": given.inputs[:9]},
        {"ts": BARS[0].ts},
        {"ts": BARS[-1].ts + 1},
        {"features_digest": "other"},
    ):
        assert audit.check(msgspec.structs.replace(given, **change)) == []
    assert (audit.audited, audit.passed_over) == (0, 5)


def test_an_answer_that_comes_before_its_bar_is_compared_when_it_has_come():
    labeller = Labeller((ALPHA,), audit=auditing((ALPHA,), FEATURES, session("us_equity")))
    for start in range(0, len(BARS) - 1, 50):
        labeller.step(pack_bars(BARS[start : min(start + 50, len(BARS) - 1)]))
    (answer,) = answers_of(BARS, BARS[-1:])
    assert labeller.step(with_value(answer, "ibs", 5.0)) == []
    fresh = Labeller((ALPHA,), audit=auditing((ALPHA,), FEATURES, session("us_equity")))
    fresh.load(labeller.save())
    for this in (labeller, fresh):
        (found,) = this.step(BARS[-1])
        assert found.event.detail.startswith("ibs was served as 5")


def test_a_labeller_tells_what_its_audit_finds():
    audit = auditing((ALPHA,), FEATURES, session("us_equity"))
    labeller = Labeller((ALPHA,), audit=audit)
    for start in range(0, len(BARS), 50):
        labeller.step(pack_bars(BARS[start : start + 50]))
    good, bad = answers_of(BARS, BARS[-2:])
    vector = with_value(bad, "ibs", 5.0).inputs
    assert labeller.step(good) == []
    (found,) = labeller.step(msgspec.structs.replace(bad, inputs=vector))
    assert (found.event.channel, found.event.symbol) == ("skew", "AAA")
    fresh = Labeller((ALPHA,), audit=audit)
    fresh.load(labeller.save())
    labeller.step(Reset("AAA", BARS[-1].ts, "split"))
    assert labeller.step(msgspec.structs.replace(bad, signal_id="after", inputs=vector)) == []
