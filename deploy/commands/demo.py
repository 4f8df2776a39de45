"""`assay demo`: the main job, end to end, on bundled data."""

import contextlib
import importlib
import tempfile
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deploy.config import check_run, load_run, require_collecting
from deploy.launch import broker_url
from deploy.options import ChosenNatsOption, JsonOption, PortOption, SetOption
from deploy.output import Output
from deploy.role_runtime import run_loop
from deploy.scenario import config_of
from deploy.state import StateDir


class ScenarioName(StrEnum):
    """The demos there are."""

    REAL = "real"
    FLIP = "flip"


def demo(
    scenario: Annotated[ScenarioName, typer.Option(help="Which demo.")] = ScenarioName.REAL,
    state_dir: Annotated[
        Path | None,
        typer.Option("--state-dir", help="An empty folder to keep all in; else temporary."),
    ] = None,
    assignments: SetOption = None,
    nats: ChosenNatsOption = None,
    port: PortOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train on the first years, replay the rest, report.

    All roles run as processes over a real broker.

    `real`: daily bars of five US stocks. `flip`: a synthetic market whose signals turn against
    their model at a planted moment, so that drift, retraining and recovery are seen with the
    truth known.

    Example: assay demo --scenario flip
    """
    started_s = time.monotonic()
    output = Output(as_json=as_json)
    config = config_of(scenario.value)
    settings = load_run(config, assignments or ())
    check_run(settings)
    require_collecting(settings, "assay demo")
    from deploy.demonstration import demonstrate

    loaded = importlib.import_module(f"deploy.scenarios.{scenario.value}").load(settings)
    output.say(f"assay demo: {loaded.title}")
    with _state(state_dir) as state, broker_url(nats, state, settings, port) as url:
        tally = run_loop(
            demonstrate(loaded, settings, config, assignments or (), url, state, output)
        )
    from deploy.figures import figures_of
    from deploy.report import report_of

    figures = figures_of(tally, loaded.truth)
    output.show(report_of(figures, loaded.title))
    output.say(f"done in {time.monotonic() - started_s:.0f} s")
    output.document(figures)


@contextlib.contextmanager
def _state(state_dir: Path | None) -> Iterator[StateDir]:
    with contextlib.ExitStack() as stack:
        if state_dir is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="assay-demo-"))
            state_dir = Path(folder)
        state = StateDir(state_dir.resolve())
        state.make()
        yield state
