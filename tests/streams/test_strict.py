from typing import Annotated, Literal

import msgspec
import pytest

from models.settings import MlSettings
from streams.errors import ConfigError
from streams.strict import decode_strict


class Leg(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    side: Literal["long", "short"]
    size: Annotated[int, msgspec.Meta(ge=1)] = 1


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ml: MlSettings = MlSettings()
    legs: tuple[Leg, ...] = ()
    by_name: dict[str, Leg] = {}
    maybe: Leg | None = None


def error_of(value: object, path: str = "run.yaml") -> str:
    with pytest.raises(ConfigError) as caught:
        decode_strict(value, Run, path)
    return str(caught.value)


def test_a_good_value_decodes() -> None:
    run = decode_strict({"ml": {"ml_weight": 1}, "legs": [{"side": "long"}]}, Run, "run.yaml")
    assert run == Run(ml=MlSettings(ml_weight=1.0), legs=(Leg("long"),))


def test_an_unknown_key_names_its_path_its_value_and_the_nearest_known_key() -> None:
    text = error_of({"ml": {"confidence_treshold": 0.6}})
    assert text.startswith(
        "confidence_treshold is not a known key, was 0.6 (run.yaml: ml.confidence_treshold): "
        "did you mean confidence_threshold? allowed: "
    )


def test_an_unknown_key_deep_in_lists_maps_and_options_is_found() -> None:
    for value, place in (
        ({"legs": [{"side": "long"}, {"side": "long", "sice": 2}]}, "legs.1.sice"),
        ({"maybe": {"side": "long", "sice": 2}}, "maybe.sice"),
        ({"by_name": {"a": {"side": "long", "sice": 2}}}, "sice"),
    ):
        text = error_of(value)
        assert place in text
        assert "did you mean size?" in text


def test_a_value_out_of_range_names_the_range_and_the_value() -> None:
    assert error_of({"ml": {"confidence_threshold": 1.5}}) == (
        "confidence_threshold must be float <= 1.0, was 1.5 (run.yaml: ml.confidence_threshold)"
    )


def test_a_wrong_type_names_the_type_and_the_value() -> None:
    assert error_of({"ml": {"enabled": "maybe"}}) == (
        "enabled must be bool, was 'maybe' (run.yaml: ml.enabled)"
    )


def test_an_unknown_choice_names_the_nearest() -> None:
    text = error_of({"ml": {"prediction_mode": "enhanc"}})
    assert text.startswith("prediction_mode was 'enhanc' (run.yaml: ml.prediction_mode): ")
    assert "did you mean enhance?" in text
    assert "filter" in text


def test_a_missing_key_is_named() -> None:
    text = error_of({"legs": [{}]}, "run.yaml: strategy")
    assert text == "side is required and was not given (run.yaml: strategy.legs.0.side)"


def test_a_value_that_is_no_mapping_is_named() -> None:
    assert error_of([1]) == "the value must be object, was [1] (run.yaml)"
