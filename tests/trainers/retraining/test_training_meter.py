"""A trainer counts what it decides by what was asked for and what it came to, within a limit."""

import pytest

from streams.events import Deployment, Retrain
from trainers.retraining import training_meter
from trainers.retraining.ledger import Decision
from trainers.retraining.training_meter import TrainingMeter


def decision(reason: str, *, is_promoted: bool = False, share: float = 1.0) -> Decision:
    made = Deployment("a", None, "a-1", "d", 1, None, {"reason": reason}, share=share)
    return Decision("r", made, is_promoted)


def counts(meter: TrainingMeter) -> dict[tuple[str, ...], float]:
    return {
        tuple(value for _, value in one.labels): one.value
        for one in meter.readings()
        if one.name == "training_decisions"
    }


def test_requests_are_counted_by_action_and_by_what_they_came_to():
    meter, asked = TrainingMeter(), Retrain("r", "a", None, "drift:slope", 0, "drift")
    meter.decide(asked, decision("better", is_promoted=True), 3.0)
    meter.decide(asked, decision("better", is_promoted=True, share=0.1), 3.0)
    meter.decide(asked, decision("cooldown: the last was 3 days ago"), 0.001)
    review = Retrain("q", "a", None, "review", 0, "drift", action="review")
    meter.decide(review, decision(""), 700.0)
    assert counts(meter) == {
        ("retrain", "promoted"): 1,
        ("retrain", "canary"): 1,
        ("retrain", "cooldown"): 1,
        ("review", "other"): 1,
    }
    [times] = [one for one in meter.readings() if one.kind == "histogram"]
    assert times.value == pytest.approx(706.001)
    assert dict(times.buckets)[5.0] == 3


def test_what_is_worked_on_is_told_while_it_is_and_what_is_no_request_is_counted():
    meter = TrainingMeter()
    meter.begin()
    meter.refuse()
    told = {one.name: one.value for one in meter.readings()}
    assert (told["training_busy"], told["training_dead_letters"]) == (1, 1)
    meter.end()
    assert {one.name: one.value for one in meter.readings()}["training_busy"] == 0


def test_no_reason_makes_it_grow_beyond_its_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(training_meter, "OUTCOMES_MAX", 5)
    meter, asked = TrainingMeter(), Retrain("r", "a", None, "manual", 0, "ann")
    for number in range(50):
        meter.decide(asked, decision(f"reason-{number}"), 1.0)
    assert len(counts(meter)) == 6
    assert counts(meter)["retrain", "other"] == 45
