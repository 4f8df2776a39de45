"""Every example in a docstring gives what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

from tests.house import PACKAGES, relative, source_files

EXAMPLES = [path for path in source_files(*PACKAGES) if ">>>" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", EXAMPLES, ids=relative)
def test_examples_hold(path: Path):
    module = importlib.import_module(relative(path).removesuffix(".py").replace("/", "."))
    failed, tried = doctest.testmod(module)
    # A compiled function hides its docstring; the examples of the others are found.
    assert tried > 0
    assert failed == 0
