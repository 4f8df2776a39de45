"""`assay replay`: history through a running stream, or what is recorded in it once more."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from deploy.config import PARQUET_SUFFIXES, DataSettings, RunSettings, load_run
from deploy.options import (
    DEFAULT_CONFIG,
    DEFAULT_STATE,
    ConfigOption,
    JsonOption,
    NatsOption,
    SetOption,
    StateOption,
    WithoutOption,
    roles_but,
    url_of,
)
from deploy.output import Output
from deploy.state import StateDir
from streams.errors import ConfigError

CSV_SUFFIXES = (".csv", ".txt", ".tsv")
SUFFIXES = dict.fromkeys(CSV_SUFFIXES, "csv") | dict.fromkeys(PARQUET_SUFFIXES, "parquet")
# Sources whose params are those of a file, too: see `streams/sources/file_params.py`.
FILE_SOURCES = ("", "csv", "parquet", "folder")


def replay(
    bars: Annotated[
        list[Path] | None,
        typer.Option("--bars", help="A file of bars; may be repeated. Else the run's own data."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    assignments: SetOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    without: WithoutOption = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare what was published with a rerun of INPUT.")
    ] = False,
    start: Annotated[
        str | None, typer.Option("--from", help="Report from this sequence of INPUT or time on.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Report up to this sequence of INPUT or time.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Drive bars through a running `assay up`, or verify what it has published.

    As fast as its roles follow, as slowly as they must. Name with --without the roles that were
    left out there, or it waits for them.

    With --verify nothing is published: what INPUT holds goes once more through fresh roles of
    the same configuration, and signals, answers and outcomes are compared byte for byte with
    what was published, by however many scorers. --from and --to bound what is reported. Exit
    status 1: they differ.

    Example: assay replay --verify --config configs/quickstart.yaml --state-dir .assay
    """
    output = Output(as_json=as_json)
    settings = load_run(config, assignments or ())
    state = StateDir(state_dir)
    if verify:
        if bars:
            raise ConfigError("--verify reruns what is recorded; leave --bars out")
        _verify(output, settings, state, url_of(nats, state), without or (), start, end)
        return
    if start is not None or end is not None:
        raise ConfigError("--from and --to bound what --verify reports; add --verify")
    from deploy.playback import play
    from deploy.role_runtime import run_loop

    sources = [source_of(file, settings.data) for file in bars or ()] or [settings.data]
    url = url_of(nats, state)
    done = run_loop(play(url, settings, sources, roles_but(without or ()), output.console))
    output.say(f"{done.bars:,} bars in {done.instants:,} instants, {done.seconds:.1f} s")
    output.document(done)


def _verify(
    output: Output,
    settings: RunSettings,
    state: StateDir,
    url: str,
    without: Sequence[str],
    start: str | None,
    end: str | None,
) -> None:
    from deploy.role_runtime import run_loop
    from deploy.verification import span_of, told, verify_run

    span, roles = span_of(start, end), roles_but(without)
    found = run_loop(verify_run(url, settings, state, roles, span, output.console))
    verdict = found.verdict
    output.say(f"{found.input_messages:,} messages of INPUT rerun")
    if found.input_missing:
        output.say(f"  {found.input_missing:,} more are gone: a rerun without them may differ")
    for seq, why in found.refused_models.items():
        output.say(f"  deployment at INPUT sequence {seq}: {why}")
    for line in verdict.streams:
        output.say(
            f"  {line.stream:<9} {line.compared:>9,} compared, {line.differing:,} differ, "
            f"{line.missing:,} missing, {line.extra:,} extra, {line.pending:,} pending"
        )
    if not any(line.compared for line in verdict.streams):
        output.say("nothing that these roles say has been published")
    elif verdict.equal:
        output.say("equal, byte for byte")
    if verdict.first is not None:
        output.say("the first difference:")
        for text in told(verdict.first):
            output.say(f"  {text}")
    found_besides = msgspec.structs.asdict(found)
    del found_besides["verdict"]
    output.document(msgspec.structs.asdict(verdict) | found_besides)
    if not verdict.equal:
        raise typer.Exit(1)


def source_of(file: Path, data: DataSettings) -> DataSettings:
    """Return the run's data section for one file instead, read by its ending.

    Raises ConfigError for an ending that no source reads.
    """
    kind = SUFFIXES.get(file.suffix.lower())
    if kind is None:
        allowed = ", ".join(SUFFIXES)
        raise ConfigError(f"--bars must be a file ending in {allowed}, was {file}")
    # What a run's own files are told (date_order, volume) holds for these too.
    params = data.params if data.source in FILE_SOURCES else {}
    return msgspec.structs.replace(data, source=kind, path=str(file), dir="", params=params)
