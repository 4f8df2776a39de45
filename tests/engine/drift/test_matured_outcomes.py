from engine.drift import matured_outcomes
from engine.drift.matured_outcomes import MaturedOutcomes
from streams.events import Outcome
from tests.engine.drift.judging import outcome


def named(signal_id: str, ts: int, exit_ts: int) -> Outcome:
    return outcome(1, 0.5, 1, signal_id=signal_id, ts=ts, exit_ts=exit_ts)


def test_outcomes_are_released_up_to_the_watermark_by_exit_then_id() -> None:
    matured = MaturedOutcomes(maturity_ns=0)
    for signal_id, exit_ts in (("c", 5), ("b", 7), ("a", 7), ("d", 9)):
        matured.add(named(signal_id, 1, exit_ts))
    assert [(at, o.signal_id) for at, o in matured.release(8)] == [(5, "c"), (7, "a"), (7, "b")]
    assert len(matured) == 1
    assert matured.release(8) == []


def test_an_outcome_younger_than_the_maturity_waits() -> None:
    matured = MaturedOutcomes(maturity_ns=10)
    matured.add(named("fast", 1, 2))
    matured.add(named("slow", 1, 30))
    assert matured.release(10) == []
    assert [(at, o.signal_id) for at, o in matured.release(30)] == [(11, "fast"), (30, "slow")]


def test_a_repeat_and_an_outcome_behind_the_watermark_are_left_out() -> None:
    matured = MaturedOutcomes(maturity_ns=0)
    matured.add(named("a", 1, 5))
    matured.add(named("a", 1, 5))
    assert len(matured.release(5)) == 1
    matured.add(named("a", 1, 5))
    assert matured.release(9) == []
    assert matured.late == 1


def test_the_buffer_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(matured_outcomes, "OUTCOMES_WAITING_MAX", 2)
    matured = MaturedOutcomes(maturity_ns=0)
    assert matured.add(named("c", 1, 9)) == []
    assert matured.add(named("b", 1, 8)) == []
    assert [o.signal_id for _, o in matured.add(named("a", 1, 7))] == ["a"]
    assert len(matured) == 2


def test_what_was_released_for_want_of_room_is_not_judged_again_nor_what_came_before_it(
    monkeypatch,
) -> None:
    monkeypatch.setattr(matured_outcomes, "OUTCOMES_WAITING_MAX", 2)
    matured = MaturedOutcomes(maturity_ns=0)
    first = named("a", 1, 7)
    for one in (named("d", 1, 9), named("c", 1, 8), first):
        released = matured.add(one)
    assert released == [(7, first)]
    assert matured.add(first) == matured.add(named("b", 1, 6)) == []
    assert [o.signal_id for _, o in matured.release(9)] == ["c", "d"]
    assert matured.late == 2
