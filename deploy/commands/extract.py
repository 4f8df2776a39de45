"""`assay extract`: training data out of strategies."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deploy.options import DEFAULT_STATE, JsonOption, SetOption, StateOption
from deploy.output import Output
from deploy.research.extraction_options import (
    DateOrderOption,
    DirOption,
    EndOption,
    IntervalOption,
    OverlapOption,
    ParamsOption,
    PathOption,
    RunFileOption,
    SessionOption,
    SourceOption,
    StampOption,
    StartOption,
    StrategyOption,
    SymbolOption,
    ValidationOption,
    VolumeOption,
    ZoneOption,
    data_keys,
    given,
)

if TYPE_CHECKING:
    from deploy.research.extraction import Extracted, Failed
    from deploy.research.extraction_plan import Asked

DEFAULT_FOLDER = Path("training_data")
NEGATIVE = 1
TITLE = "training data"
MONTH = len("2000-01")
LEGEND = "hit rate: won before costs; base rate: won after them (y_binary), to be beaten"

WinnersOption = Annotated[
    Path | None, typer.Option(help="Every winner of a winners.json.", metavar="FILE")
]
CommissionOption = Annotated[
    float | None, typer.Option(help="Per side of a share or contract.", metavar="MONEY")
]
SlippageOption = Annotated[float | None, typer.Option(help="Per side.", metavar="TICKS")]
TickOption = Annotated[
    float | None, typer.Option(help="In place of the instrument's.", metavar="PRICE")
]
PointOption = Annotated[
    float | None, typer.Option(help="In place of the instrument's.", metavar="MONEY")
]
LabelOption = Annotated[
    Literal["strategy", "triple_barrier"] | None, typer.Option(help="Whose exit makes the label.")
]
TargetOption = Annotated[
    float | None, typer.Option(help="Target of a triple barrier.", metavar="R")
]
HoldOption = Annotated[
    int | None, typer.Option(help="Time limit of a triple barrier.", metavar="BARS")
]
DatabaseOption = Annotated[
    bool | None,
    typer.Option("--to-database/--files-only", help="Whether samples go to the feature database."),
]
FolderOption = Annotated[Path, typer.Option(help="Where files are written.", metavar="DIR")]
FormatOption = Annotated[
    Literal["csv", "parquet", "both"], typer.Option("--format", help="What files are written.")
]


def extract(
    strategy: StrategyOption = None,
    symbol: SymbolOption = None,
    params: ParamsOption = None,
    from_winners: WinnersOption = None,
    config: RunFileOption = None,
    assignments: SetOption = None,
    start: StartOption = None,
    end: EndOption = None,
    source: SourceOption = None,
    directory: DirOption = None,
    path: PathOption = None,
    interval: IntervalOption = None,
    session: SessionOption = None,
    timezone: ZoneOption = None,
    stamp: StampOption = None,
    validation: ValidationOption = None,
    date_order: DateOrderOption = None,
    volume: VolumeOption = None,
    commission_per_side: CommissionOption = None,
    slippage_ticks: SlippageOption = None,
    tick_size: TickOption = None,
    point_value: PointOption = None,
    label: LabelOption = None,
    target_r: TargetOption = None,
    max_hold_bars: HoldOption = None,
    overlapping: OverlapOption = None,
    to_database: DatabaseOption = None,
    output_dir: FolderOption = DEFAULT_FOLDER,
    form: FormatOption = "csv",
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Write each trade of a strategy with what was known when its signal was made.

    One file per symbol, {symbol}_{strategy}_training_data.csv. Features are those that the stream
    serves. A run file brings strategies, costs and bars, and with ml_data_collection.enabled the
    samples also go to its feature database; without one, costs are those of each instrument.

    Exit status 1: a winner failed, or no trade was closed.

    Example: assay extract --strategy rsi2_mean_reversion --symbol IBM --params "{'period': 2}"
    """
    from deploy.research.extraction_plan import Asked

    data = data_keys(symbol, date_order, volume, start=start, end=end, interval=interval)
    data |= given(source=source, dir=directory, path=path, stamp=stamp)
    data |= given(validation=validation, session=session, timezone=timezone)
    asked = Asked(
        config=config,
        assignments=tuple(assignments or ()),
        strategy=strategy,
        params=params,
        winners=from_winners,
        data=data,
        label=given(rule=label, target_r=target_r, max_hold_bars=max_hold_bars),
        terms=given(commission_per_side=commission_per_side, slippage_ticks=slippage_ticks)
        | given(tick_size=tick_size, point_value=point_value),
        overlapping=overlapping,
        to_database=to_database,
    )
    _run(asked, output_dir, form, state_dir, Output(as_json=as_json))


def _run(
    asked: "Asked",
    folder: Path,
    form: Literal["csv", "parquet", "both"],
    state_dir: Path,
    output: Output,
) -> None:
    from rich.progress import Progress

    from deploy.research.extraction import extract_all
    from deploy.research.extraction_plan import plan_of
    from deploy.research.sample_store import SampleStore
    from deploy.state import StateDir

    plan = plan_of(asked)
    with (
        SampleStore(plan, StateDir(state_dir)) as store,
        Progress(console=output.console, transient=True, disable=len(plan.jobs) == 1) as progress,
    ):
        task = progress.add_task(TITLE, total=len(plan.jobs))
        done, failed = extract_all(
            plan, folder, form, on_done=lambda job: progress.advance(task), keep=store.keep
        )
        added, place = store.added, store.title
    _show(done, failed, output)
    if not plan.is_session_known:
        for session in sorted({one.session for one in done}):
            output.say(f"closes are those of session {session}, as these trade; else say --session")
    document: dict[str, object] = {"extracted": done, "failed": failed}
    if place is not None:
        output.say(f"{added} new training samples in {place}")
        document["samples_added"] = added
    output.document(document)
    if failed or not any(one.rows for one in done):
        raise typer.Exit(NEGATIVE)


def _show(done: "list[Extracted]", failed: "list[Failed]", output: Output) -> None:
    from deploy.tables import plain_table

    table = plain_table()
    table.add_column("strategy", overflow="fold")
    table.add_column("symbol", no_wrap=True)
    for name in ("rows", "hit\nrate", "base\nrate", "mean R"):
        table.add_column(name, justify="right")
    for name in ("from", "to"):
        table.add_column(name, no_wrap=True)
    for one in done:
        rates = (_shown(one.hit_rate, ".1%"), _shown(one.base_rate, ".1%"))
        span = ((one.first or "-")[:MONTH], (one.last or "-")[:MONTH])
        mean_r = _shown(one.mean_r, "+.3f")
        table.add_row(one.strategy, one.symbol, f"{one.rows:,}", *rates, mean_r, *span)
    if done:
        output.show(table)
        output.say(LEGEND)
        still_open = sum(one.still_open for one in done)
        if still_open:
            output.say(f"{still_open:,} trades are open at the end: no rows")
        for one in done:
            if one.dollars_per_point != 1.0:
                output.say(f"{one.symbol}: {one.dollars_per_point:,.6g} dollars a point")
        files = [file for one in done for file in one.files]
        output.say(f"{len(files)} files in {Path(files[0]).parent}")
    for lost in failed:
        symbols = ", ".join(lost.symbols) or "all symbols"
        output.say(f"failed: {lost.strategy} on {symbols}: {lost.error}")


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
