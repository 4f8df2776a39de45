"""Parameters on a command line: what is written is what is meant, and nothing of it is run."""

from pathlib import Path

import pytest

from deploy.research.params_text import PARAMS_CHARS_MAX, params_of
from streams.errors import ConfigError


@pytest.mark.parametrize(
    "text",
    ["__import__('os').system('true')", "(" * 5_000, "{'a': " * 5_000, "{", "", "{1: 2}"],
)
def test_text_of_parameters_is_read_and_never_run(text: str):
    with pytest.raises(ConfigError, match="--params must be"):
        params_of(text)


@pytest.mark.parametrize(
    "text",
    ['{"period": 2, "period": 3}', "{'period': 2, 'period': True}", '[{"period":2,"period":3}]'],
)
def test_a_parameter_named_twice_is_refused(text: str):
    with pytest.raises(ConfigError, match="name each parameter once, twice was 'period'"):
        params_of(text)


def test_parameters_are_json_python_or_a_file(tmp_path: Path):
    file = tmp_path / "params.json"
    file.write_text('{"period": 2, "shorts": true}')
    expected = {"period": 2, "shorts": True}
    assert params_of('{"period": 2, "shorts": true}') == expected
    assert params_of(" {'period': 2, 'shorts': True} ") == expected
    assert params_of(f"@{file}") == expected
    with pytest.raises(ConfigError, match="at most 100000 characters"):
        params_of(" " * (PARAMS_CHARS_MAX + 1))
