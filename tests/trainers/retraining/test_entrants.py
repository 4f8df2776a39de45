"""Who is judged in a review, from what the pointer, the record and the standing order say."""

from models.artifact import Artifact
from models.registry import Placing, Pointer
from tests.models.tiny_model import tiny_artifact
from trainers.retraining.entrants import entrants_of
from trainers.retraining.incumbent import Incumbent
from trainers.retraining.shadows import ScopeRecord, Shadow
from trainers.settings import TrainSettings

SETTINGS = TrainSettings()
HELD = tiny_artifact(("x",), (1.0,), 0.0)
FORCE_TS = 100


def incumbent(*history: str, artifact: Artifact | None = HELD) -> Incumbent:
    digest = artifact.digest if artifact else ""
    placings = tuple(Placing(f"v{d}", d, 1) for d in history)
    own = Pointer("alpha", None, Placing("v", digest, FORCE_TS), placings)
    return Incumbent(own, "v", artifact, FORCE_TS)


def roles(*arguments, **options) -> list[tuple[str, str, int]]:
    found = entrants_of(*arguments, SETTINGS, **options)
    return [(one.role, one.digest, one.opens_ts) for one in found]


def test_who_the_model_in_force_was_recalibrated_from_is_not_another_one():
    held = incumbent("b", "a", "other")
    assert roles(held, ScopeRecord())[0] == ("previous", "b", FORCE_TS)
    assert roles(held, ScopeRecord(), forebears=("b", "a")) == [("previous", "other", FORCE_TS)]


def test_what_a_person_took_out_of_force_does_not_come_back_by_itself():
    nobody = incumbent("b", artifact=None)
    record = ScopeRecord(shadows=(Shadow("v1", "d1", "r-1"),))
    assert roles(nobody, record) == [("challenger", "d1", 0)]


def test_behind_a_drift_those_of_before_are_judged_on_what_came_since():
    record = ScopeRecord(
        champion=HELD.digest,
        alarmed=HELD.digest,
        changed_ts=150,
        retired=(Shadow("v1", "d1", "r-1"), Shadow("vb", "b", "r-0")),
    )
    assert roles(incumbent("b"), record, aside_ts=170) == [
        ("previous", "b", 150),
        ("retired", "d1", 150),
        ("in_force", HELD.digest, 150),
    ]


def test_a_model_that_stands_aside_for_an_alarm_nobody_answered_is_judged_since_the_order():
    assert roles(incumbent(), ScopeRecord(), aside_ts=170) == [("in_force", HELD.digest, 170)]
    assert roles(incumbent(), ScopeRecord(), aside_ts=None) == []
