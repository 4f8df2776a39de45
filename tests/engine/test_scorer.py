"""The scorer answers every signal once, as of the bar it names."""

import numpy as np
import pytest

from engine import deployments
from engine.scorer import Scorer
from engine.settings import StrategySettings
from models.feature_set import load_feature_set
from models.onnx_session import load_model
from models.settings import MlSettings
from models.signing import load_or_create_signing_key
from models.vector import vector_names
from streams import codec
from streams.errors import ModelRefused
from streams.events import Bar, Deployment, Expire, Policy, Progress, Reset, Scored
from streams.session import session
from tests.engine.market import DAY_NS, random_bars, signal_on
from tests.models.tiny_model import tiny_artifact

FEATURES = load_feature_set()


def settings(**ml: object) -> StrategySettings:
    return StrategySettings(name="alpha", kind="external", ml=MlSettings(**ml))  # type: ignore[arg-type]


def make_scorer(**ml: object) -> Scorer:
    return Scorer((settings(**ml),), FEATURES, session("us_equity"))


def scored(answers: list) -> list[Scored]:
    return [a.event for a in answers if isinstance(a.event, Scored)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    key = load_or_create_signing_key(tmp_path_factory.mktemp("keys"))
    artifact = tiny_artifact(
        ("ibs", "signal_score"), (2.0, 1.0), -1.0, strategy="alpha", signer=key
    )
    names = vector_names(FEATURES.names, ())
    return load_model(artifact, names, trusted_keys=(key.public_hex,))


def deployment(version: str = "v1", effective_ts: int = 0, symbol: str | None = None) -> Deployment:
    return Deployment("alpha", symbol, version, "d" * 64, effective_ts, None, {})


def test_a_signal_on_the_newest_bar_is_answered_at_once():
    scorer = make_scorer()
    bars = random_bars(count=3)
    for bar in bars:
        assert scorer.step(bar) == []
    (answer,) = scorer.step(signal_on(bars[-1]))
    assert answer.subject == "signals.scored.alpha.AAA"
    assert answer.event.reasons == ("no_model",)
    assert answer.event.probability is None
    assert answer.event.final_score == 0.6


def test_a_signal_that_comes_before_its_bar_waits_for_it():
    scorer = make_scorer()
    bars = random_bars(count=4)
    scorer.step(bars[0])
    assert scorer.step(signal_on(bars[2])) == []
    assert scorer.step(bars[1]) == []
    (answer,) = scored(scorer.step(bars[2]))
    assert answer.ts == bars[2].ts
    assert scorer.waiting() == []


def test_a_signal_whose_bar_is_absent_is_answered_no_bar_when_a_later_one_comes():
    scorer = make_scorer()
    bars = random_bars(count=4)
    scorer.step(bars[0])
    scorer.step(signal_on(bars[1]))
    (answer,) = scored(scorer.step(bars[2]))
    assert answer.reasons == ("no_bar",)
    assert answer.inputs == b""


def test_a_signal_older_than_the_kept_bars_is_too_late():
    scorer = make_scorer()
    bars = random_bars(count=140)
    for bar in bars:
        scorer.step(bar)
    (late,) = scored(scorer.step(signal_on(bars[11])))
    (kept,) = scored(scorer.step(signal_on(bars[12], "s2")))
    assert late.reasons == ("too_late",)
    assert kept.reasons == ("no_model",)


def test_an_expired_signal_is_answered_and_frees_those_behind_it():
    scorer = make_scorer()
    bars = random_bars(count=3)
    for bar in bars[:2]:
        scorer.step(bar)
    assert scorer.step(signal_on(bars[2], "first")) == []
    assert scorer.step(signal_on(bars[1], "second")) == []
    answers = scored(scorer.step(Expire("alpha", "AAA", "first")))
    assert [a.signal_id for a in answers] == ["first", "second"]
    assert answers[0].reasons == ("no_bar",)
    assert scorer.step(Expire("alpha", "AAA", "first")) == []


def test_answers_leave_in_input_order_per_strategy_and_symbol():
    scorer = make_scorer()
    bars = random_bars(count=5)
    for bar in bars[:3]:
        scorer.step(bar)
    scorer.step(signal_on(bars[3], "waits"))
    assert scorer.step(signal_on(bars[1], "behind")) == []
    assert [a.signal_id for a in scored(scorer.step(bars[3]))] == ["waits", "behind"]


def test_the_same_signal_again_has_no_second_answer_and_another_payload_is_a_conflict():
    scorer = make_scorer()
    (bar,) = random_bars(count=1)
    scorer.step(bar)
    signal = signal_on(bar)
    assert len(scorer.step(signal)) == 1
    assert scorer.step(signal) == []
    (letter,) = scorer.step(signal_on(bar, score=0.7))
    assert letter.subject == "dlq.signals.raw.alpha.AAA"
    assert letter.error.startswith("signal_id: 's1' was used with another payload")


def test_the_score_is_as_of_its_bar_however_late_it_is_asked(model):
    bars = random_bars(count=300)
    early, late = make_scorer(prediction_mode="replace"), make_scorer(prediction_mode="replace")
    for scorer in (early, late):
        scorer.deploy(deployment(), model)
    for bar in bars[:281]:
        early.step(bar)
    (asked_early,) = early.step(signal_on(bars[280]))
    for bar in bars:
        late.step(bar)
    (asked_late,) = late.step(signal_on(bars[280]))
    assert codec.encode(asked_early.event) == codec.encode(asked_late.event)
    assert 0.0 < asked_early.event.probability < 1.0


def test_the_served_vector_travels_with_the_answer(model):
    scorer = make_scorer()
    scorer.deploy(deployment(), model)
    bars = random_bars(count=300)
    for bar in bars:
        scorer.step(bar)
    (answer,) = scorer.step(signal_on(bars[-1]))
    vector = np.frombuffer(answer.event.inputs, "<f4")
    names = scorer.vector_names("alpha")
    assert len(vector) == len(names)
    last = bars[-1]
    ibs = (last.close - last.low) / (last.high - last.low)
    assert vector[names.index("ibs")] == pytest.approx(ibs, abs=1e-6)
    assert answer.event.probability == pytest.approx(
        1.0 / (1.0 + np.exp(-(2.0 * ibs + 0.6 - 1.0))), abs=1e-6
    )


def test_a_deployment_speaks_for_signals_from_its_effective_ts_on(model):
    scorer = make_scorer()
    bars = random_bars(count=300)
    scorer.deploy(deployment("old"), model)
    scorer.deploy(deployment("new", effective_ts=bars[290].ts), model)
    for bar in bars:
        scorer.step(bar)
    before = scorer.step(signal_on(bars[289], "a"))[0].event
    after = scorer.step(signal_on(bars[290], "b"))[0].event
    assert (before.model, after.model) == ("old", "new")


def test_the_model_of_the_symbol_wins_over_that_of_the_strategy(model):
    scorer = make_scorer()
    bars, others = random_bars("AAA"), random_bars("BBB")
    scorer.deploy(deployment("narrow", symbol="AAA"), model)
    scorer.deploy(deployment("wide"), model)
    for bar in [*bars, *others]:
        scorer.step(bar)
    assert scorer.step(signal_on(bars[-1], "a"))[0].event.model == "narrow"
    assert scorer.step(signal_on(others[-1], "b"))[0].event.model == "wide"


def test_the_model_of_the_model_path_speaks_first_and_a_pinned_one_for_good(model):
    bars = random_bars()
    for pinned, expected in ((False, "v1"), (True, model.version)):
        scorer = make_scorer(pinned=pinned)
        scorer.start_with("alpha", model)
        for bar in bars:
            scorer.step(bar)
        assert scorer.step(signal_on(bars[-1], "a"))[0].event.model == model.version
        scorer.deploy(deployment("v1"), model)
        assert scorer.step(signal_on(bars[-1], "b"))[0].event.model == expected


def test_the_null_model_silences_the_one_before(model):
    scorer = make_scorer()
    bars = random_bars()
    for bar in bars:
        scorer.step(bar)
    scorer.deploy(deployment(), model)
    scorer.deploy(Deployment("alpha", None, "null", "", 0, "v1", {}), None)
    assert scorer.step(signal_on(bars[-1]))[0].event.reasons == ("no_model",)


def test_scopes_are_bounded_and_the_known_ones_go_on(model, monkeypatch):
    monkeypatch.setattr(deployments, "SCOPES_MAX", 1)
    scorer = make_scorer()
    assert scorer.deploy(deployment("wide"), model) == []
    (letter,) = scorer.deploy(deployment("narrow", symbol="AAA"), model)
    assert letter.error.startswith("scope_limit:")
    assert scorer.deploy(deployment("wider"), model) == []


def test_a_refused_model_is_a_dead_letter_and_the_old_one_keeps_scoring(model):
    scorer = make_scorer()
    bars = random_bars()
    scorer.deploy(deployment("old"), model)
    (letter,) = scorer.deploy(deployment("bad"), ModelRefused("digest differs"))
    assert letter.subject == "dlq.models.deployed.alpha"
    assert letter.error == "model_refused: digest differs"
    for bar in bars:
        scorer.step(bar)
    assert scorer.step(signal_on(bars[-1]))[0].event.model == "old"


def test_a_model_says_nothing_while_its_inputs_warm_up(tmp_path):
    key = load_or_create_signing_key(tmp_path)
    artifact = tiny_artifact(("rsi_14",), (1.0,), 0.0, strategy="alpha", signer=key)
    loaded = load_model(artifact, vector_names(FEATURES.names, ()), trusted_keys=(key.public_hex,))
    scorer = make_scorer(fallback="block")
    scorer.deploy(deployment(), loaded)
    (bar,) = random_bars(count=1)
    scorer.step(bar)
    (answer,) = scorer.step(signal_on(bar))
    assert answer.subject == "signals.rejected.alpha.AAA"
    assert "warming" in answer.event.reasons


def test_a_model_older_than_its_maximum_age_no_longer_speaks(model):
    scorer = make_scorer(max_age_days=10.0)
    bars = random_bars()
    scorer.deploy(deployment(effective_ts=bars[-12].ts), model)
    for bar in bars:
        scorer.step(bar)
    assert scorer.step(signal_on(bars[-2], "a"))[0].event.probability is not None
    assert scorer.step(signal_on(bars[-1], "b"))[0].event.reasons == ("expired",)


def test_the_first_model_ages_from_the_end_of_its_training(model):
    scorer = make_scorer(max_age_days=10.0)
    bars = random_bars(count=500)
    trained_to = model.card.training_to_ts
    scorer.start_with("alpha", model)
    said = {}
    for bar in bars:
        scorer.step(bar)
        (answer,) = scorer.step(signal_on(bar, f"s{bar.ts}"))
        said[bar.ts] = answer.event
    expired = [ts for ts, event in said.items() if event.reasons == ("expired",)]
    assert expired == [ts for ts in said if ts > trained_to + 10 * DAY_NS]
    assert 0 < len(expired) < len(bars)
    assert said[max(ts for ts in said if ts <= trained_to)].probability is not None


def test_the_kill_switch_is_in_force_for_the_next_signal_until_resumed(model):
    scorer = make_scorer()
    bars = random_bars()
    scorer.deploy(deployment(), model)
    for bar in bars:
        scorer.step(bar)
    scorer.step(Policy("alpha", "block", by="ops", why="halt"))
    blocked = scorer.step(signal_on(bars[-1], "a"))[0]
    assert blocked.subject == "signals.rejected.alpha.AAA"
    scorer.step(Policy("alpha", "resume", by="ops", why="fine again"))
    assert scorer.step(signal_on(bars[-1], "b"))[0].event.probability is not None


def test_a_reset_warms_the_symbol_up_again(model):
    scorer = make_scorer()
    scorer.deploy(deployment(), model)
    bars = random_bars()
    for bar in bars:
        scorer.step(bar)
    fresh = make_scorer()
    fresh.deploy(deployment(), model)
    scorer.step(Reset("AAA", bars[-1].ts, "split"))
    for bar in bars:
        assert scorer.step(bar) == fresh.step(bar) == []
    signal = signal_on(bars[-1])
    assert scorer.step(signal) == fresh.step(signal)


def test_progress_is_the_slowest_shard_of_the_strategies():
    house = StrategySettings(name="breakout")
    scorer = Scorer((house, settings()), FEATURES, session("us_equity"))
    bars = random_bars(count=3)
    for bar in bars:
        scorer.step(bar)
    assert scorer.progress_ts == bars[1].ts
    scorer.step(Progress("strategies", 0, 5, 1))
    scorer.step(Progress("strategies", 1, 9, 1))
    assert scorer.progress_ts == 5


def test_strategies_that_nobody_configures_any_more_hold_no_watermark():
    scorer = make_scorer()
    bars = random_bars(count=3)
    scorer.step(Progress("strategies", 0, 5, 1))
    for bar in bars:
        scorer.step(bar)
    assert scorer.progress_ts == bars[1].ts


def test_a_scorer_answers_only_for_the_symbols_it_owns():
    mine = Scorer((settings(),), FEATURES, session("us_equity"), owns=lambda s: s == "AAA")
    a, b = random_bars("AAA", 2), random_bars("BBB", 2)
    for bar in [*a, *b]:
        mine.step(bar)
    assert len(mine.step(signal_on(a[-1], "a"))) == 1
    assert mine.step(signal_on(b[-1], "b")) == []


def test_a_policy_speaks_from_its_effective_ts_on(model):
    scorer = make_scorer()
    bars = random_bars()
    scorer.deploy(deployment(), model)
    for bar in bars:
        scorer.step(bar)
    scorer.step(Policy("alpha", "block", by="ops", why="later", effective_ts=bars[-1].ts))
    assert scorer.step(signal_on(bars[-2], "a"))[0].event.mode == "filter"
    assert scorer.step(signal_on(bars[-1], "b"))[0].event.mode == "block"


def test_the_trainer_never_overrules_a_person_and_a_person_overrules_the_trainer(model):
    scorer = make_scorer()
    bars = random_bars()
    scorer.deploy(deployment(), model)
    for bar in bars:
        scorer.step(bar)

    def mode_after(number: int, action: str, by: str) -> str:
        scorer.step(Policy("alpha", action, by=by, why="test"))
        return scorer.step(signal_on(bars[-1], f"s{number}"))[0].event.mode

    orders = [
        ("block", "ops", "block"),
        ("resume", "trainer", "block"),
        ("observe", "trainer", "block"),
        ("resume", "ops", "filter"),
        ("observe", "trainer", "observe"),
        ("resume", "ops", "filter"),
    ]
    for number, (action, by, expected) in enumerate(orders):
        assert mode_after(number, action, by) == expected


def test_declared_numbers_of_the_signal_reach_the_model(tmp_path):
    key = load_or_create_signing_key(tmp_path)
    own = StrategySettings(name="alpha", kind="external", features=("z1",), ml=MlSettings())
    names = vector_names(FEATURES.names, ("z1",))
    artifact = tiny_artifact(("signal_z1",), (1.0,), 0.0, strategy="alpha", signer=key)
    scorer = Scorer((own,), FEATURES, session("us_equity"))
    scorer.deploy(deployment(), load_model(artifact, names, trusted_keys=(key.public_hex,)))
    (bar,) = random_bars(count=1)
    scorer.step(bar)
    (spoken,) = scorer.step(signal_on(bar, "a", features={"z1": 2.0}))
    (silent,) = scorer.step(signal_on(bar, "b"))
    assert spoken.event.probability == pytest.approx(1 / (1 + np.exp(-2.0)), abs=1e-6)
    assert silent.event.reasons == ("missing_feature:z1",)


def test_answers_do_not_depend_on_how_days_apart_other_symbols_are():
    alone, crowded = make_scorer(), make_scorer()
    bars = random_bars("AAA", 50)
    others = random_bars("BBB", 50, seed=9, start_ns=bars[0].ts + 7 * DAY_NS)
    for bar in bars:
        alone.step(bar)
    for bar in sorted([*bars, *others], key=lambda bar: bar.ts):
        crowded.step(bar)
    signal = signal_on(bars[-1])
    assert alone.step(signal) == crowded.step(signal)


def test_it_takes_bars_of_any_interval_side_by_side():
    scorer = make_scorer()
    daily, hourly = random_bars(count=2), random_bars(count=5, interval="1h", step_ns=DAY_NS // 24)
    for bar in sorted([*daily, *hourly], key=lambda bar: bar.ts):
        assert isinstance(bar, Bar)
        assert scorer.step(bar) == []
