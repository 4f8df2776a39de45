"""What does not fit together is refused by name, before any work."""

import math

import msgspec
import pytest

from streams.errors import ConfigError
from streams.strict import decode_strict
from trainers.pipeline.pipeline_settings import PipelineSettings, settings_told
from trainers.pipeline.search import learners_of
from trainers.settings import GateSettings


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"tuned": ["xgbost"]}, "xgbost does not take part: learners are lightgbm, xgboost, "),
        ({"learners": ["logistic", "logistic"]}, "pipeline.learners must name a learner once"),
        ({"tuned": ["logistic", "logistic"]}, "pipeline.tuned must name a learner once"),
        (
            {"learners": ["lightgbm"], "tuned": ["catboost"]},
            "pipeline.tuned must be of pipeline.learners, catboost does not take part: learners "
            "are lightgbm",
        ),
        ({"learners": ["lightgbm"], "tuned": ["logistic"]}, "logistic does not take part"),
        ({"learners": []}, "learners must be"),
        ({"cpcv_groups": 1}, "cpcv_test_groups must be below cpcv_groups, was 2 of 1"),
        ({"cpcv_groups": 3, "cpcv_test_groups": 3}, "was 3 of 3"),
        ({"cpcv_groups": 20, "cpcv_test_groups": 10}, "make 184756 splits, 500 are allowed"),
        ({"legacy_forest": True, "cpcv_groups": 0, "cpcv_test_groups": 6}, "was 6 of 6"),
        ({"embargo_days": math.inf}, "embargo_days must be"),
        ({"embargo_days": 4_000.0}, "embargo_days must be"),
        ({"trials": 10_001}, "trials must be"),
        ({"trial": 10}, "did you mean trials?"),
        ({"spans": "years"}, "allowed: auto, dates, share"),
        ({"dates": {"holdout_first_day": "2015-01-01"}}, "must ascend"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(tree, words):
    with pytest.raises(ConfigError) as error:
        decode_strict(tree, PipelineSettings, "run.yaml: pipeline")
    assert words in str(error.value)


def test_the_default_list_of_the_tuned_holds_for_any_learners():
    settings = decode_strict({"learners": ["random_forest"]}, PipelineSettings, "run.yaml")
    assert learners_of(settings) == ("random_forest",)


def test_without_an_ensemble_the_first_learner_stands_beside_the_line():
    tree = {"learners": ["xgboost", "catboost"], "tuned": ["logistic"], "ensemble": False}
    assert learners_of(decode_strict(tree, PipelineSettings, "x")) == ("xgboost", "logistic")
    tree = {"learners": ["logistic"], "ensemble": False}
    assert learners_of(decode_strict(tree, PipelineSettings, "x")) == ("logistic",)


def test_no_paths_need_no_groups():
    assert PipelineSettings(cpcv_groups=0, cpcv_test_groups=10)


def test_how_many_workers_there_are_is_not_told():
    told = [settings_told(PipelineSettings(workers=number)) for number in (1, 2)]
    assert told[0] == told[1]
    assert told[0] != settings_told(PipelineSettings(threads=2))
    assert msgspec.convert(told[0], PipelineSettings) == PipelineSettings()


def test_the_gate_is_stricter_than_the_live_loop_s_also_where_another_of_its_rules_is_given():
    given = msgspec.convert({"gate": {"outcomes_min": 100}}, PipelineSettings)
    assert given.gate.alpha == PipelineSettings().gate.alpha == 0.05
    assert GateSettings().alpha == 0.10
