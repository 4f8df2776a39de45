"""The command line that every stream benchmark has: --json FILE, --quick."""

import argparse
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from deploy.role_runtime import run_loop
from tests.benchmarks.stage import machine, told

Measure = Callable[[argparse.Namespace], Coroutine[Any, Any, dict[str, Any]]]


def parser_of(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    return parser


def floor_parser_of(description: str | None) -> argparse.ArgumentParser:
    """As `parser_of`, for what is measured beside the relay."""
    parser = parser_of(description)
    parser.add_argument("--bare", action="store_true", help="a floor that passes on what it reads")
    return parser


def floor_name(arguments: argparse.Namespace) -> str:
    return "bare: the signals' own bytes" if arguments.bare else "the same payloads"


def run_command(parser: argparse.ArgumentParser, measure: Measure) -> None:
    arguments = parser.parse_args()
    figures = run_loop(measure(arguments)) | machine()
    print(told(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def quick(parser: argparse.ArgumentParser, measure: Measure) -> dict[str, Any]:
    """The figures of a short run, shown: what `make bench` collects."""
    figures = run_loop(measure(parser.parse_args(["--quick"]))) | machine()
    print("\n" + told(figures))
    return figures
