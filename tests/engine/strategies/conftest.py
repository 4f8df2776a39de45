"""The bundled sample, read once."""

import pytest

from tests.engine.strategies.sample_bars import Bars, read_sample


@pytest.fixture(scope="session")
def sample() -> dict[str, Bars]:
    return read_sample()
