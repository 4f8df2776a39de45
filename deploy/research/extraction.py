"""Extraction from the command line: bars are read once, each pair becomes files and samples."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from deploy.research.extraction_plan import Job, Plan
from deploy.research.market_data import data_set_of_table
from engine.backtests.bar_history import BarHistory
from engine.instrument_book import InstrumentBook
from models.feature_set import load_feature_set
from streams.errors import AssayError, ConfigError
from streams.source import read_bars
from streams.source_settings import SourceSettings
from trainers.database.provenance import DataSet
from trainers.extraction.extraction import Extraction, extract_trades
from trainers.extraction.feature_extractor import (
    FeatureExtractor,
    bundled_instruments,
    common_session,
)
from trainers.extraction.training_files import Format, write_training_data
from trainers.extraction.training_frame import training_frame
from trainers.research.histories import history_of


class Extracted(msgspec.Struct, frozen=True):
    """One symbol's training data. None is what no row tells.

    `hit_rate`: share of rows that won before costs; `base_rate`: share with y_binary 1, which won
    after costs: what a model has to beat. `signals` were made, `still_open` of them have no end.
    `session` is that of the closes; `dollars_per_point`: what a move of 1.0 makes as of the last
    bar.
    """

    strategy: str
    symbol: str
    params: dict[str, object]
    rows: int
    signals: int
    still_open: int
    hit_rate: float | None
    base_rate: float | None
    mean_r: float | None
    first: str | None
    last: str | None
    session: str
    dollars_per_point: float
    files: tuple[str, ...]


class Failed(msgspec.Struct, frozen=True):
    """A strategy on symbols that could not be extracted, and why."""

    strategy: str
    symbols: tuple[str, ...]
    params: dict[str, object]
    error: str


class ReadBars(NamedTuple):
    """A history, the session whose closes it has, and what it was read from."""

    history: BarHistory
    session: str
    data: DataSet


class Bars:
    """The bars of a plan, read once for all of its symbols, or one at a time where some lack."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._read: dict[tuple[str, ...], ReadBars] = {}
        asked = [job.symbols for job in plan.jobs]
        # References of the context are read beside what is asked for.
        is_whole = not all(asked) or not plan.context.is_empty
        self._all: tuple[str, ...] = (
            plan.data.symbols
            if is_whole
            else tuple(sorted({*(one for job in asked for one in job)}))
        )
        self._is_alone = False

    def of(self, symbols: tuple[str, ...]) -> ReadBars:
        """Return bars among which `symbols` are."""
        if not self._is_alone:
            try:
                return self._reading(self._all)
            except AssayError:
                # Alone a symbol has no context, and would fail for the want of that.
                is_bound = not self._plan.context.is_empty
                if len(self._plan.jobs) == 1 or not symbols or is_bound:
                    raise
                self._is_alone = True
        return self._reading(symbols)

    def _reading(self, symbols: tuple[str, ...]) -> ReadBars:
        if symbols not in self._read:
            data = msgspec.structs.replace(self._plan.data, symbols=symbols)
            self._read[symbols] = _read(data.source_settings(), self._plan.is_session_known)
        return self._read[symbols]


def _read(source: SourceSettings, is_session_known: bool) -> ReadBars:
    book = InstrumentBook(bundled_instruments())
    is_session_known = is_session_known or source.kind == "sample"
    if not is_session_known and source.symbols:
        source = msgspec.structs.replace(source, session=common_session(book, source.symbols))
        is_session_known = True
    table = read_bars(source)
    if not is_session_known:
        named = common_session(book, tuple(table["symbol"].unique().sort()))
        if named != source.session:
            # Which symbols there are shows only now, and their bars close at another hour.
            source = msgspec.structs.replace(source, session=named)
            table = read_bars(source)
    return ReadBars(history_of(table), source.session, data_set_of_table(table, source))


def extract_all(
    plan: Plan,
    folder: Path,
    form: Format,
    on_done: Callable[[Job], None],
    keep: Callable[[Extraction, DataSet], None],
) -> tuple[list[Extracted], list[Failed]]:
    """Extract every job of a plan into files; one that fails does not stop the others.

    `keep` is handed every extraction before its files are written.
    """
    bars = Bars(plan)
    done: list[Extracted] = []
    failed: list[Failed] = []
    for job in plan.jobs:
        try:
            done += _extract(plan, job, bars, folder, form, keep)
        except AssayError as error:
            if len(plan.jobs) == 1:
                raise
            failed.append(Failed(job.settings.name, job.symbols, job.settings.params, str(error)))
        on_done(job)
    return done, failed


def check_interval(job: Job, plan: Plan) -> None:
    """Raise ConfigError for a strategy that decides at closes of other bars than there are."""
    if job.settings.interval != plan.data.interval:
        raise ConfigError(
            f"{job.settings.name} decides at closes of {job.settings.interval}, and the bars are "
            f"of {plan.data.interval}: say --interval {job.settings.interval}"
        )


def _extract(
    plan: Plan,
    job: Job,
    bars: Bars,
    folder: Path,
    form: Format,
    keep: Callable[[Extraction, DataSet], None],
) -> list[Extracted]:
    check_interval(job, plan)
    history, session, data = bars.of(job.symbols)
    extractor = FeatureExtractor(
        **plan.terms,
        context=plan.context,
        interval=plan.data.interval,
        session=session,
    )
    settings = extractor.settings_of(job.settings, session)
    market = extractor.market_of(settings, history, session, job.symbols)
    found = []
    for symbol in job.symbols or history.symbols:
        extraction = extract_trades(settings, market.of_symbol(symbol), load_feature_set())
        keep(extraction, data)
        frame = training_frame(extraction)
        files = write_training_data(frame, folder, symbol, job.settings.name, form, job.mark)
        found.append(_extracted(extraction, symbol, session, frame, files))
    if not found:
        raise ConfigError(f"no symbol is there for {job.settings.name}: look at --symbol")
    return found


def _extracted(
    found: Extraction, symbol: str, session: str, frame: pl.DataFrame, files: list[Path]
) -> Extracted:
    has_rows = not frame.is_empty()
    days = frame["Date/Time"].dt.strftime("%Y-%m-%d").to_list()
    won = (found.figures.y_pnl_gross > 0.0).mean() if has_rows else 0.0
    return Extracted(
        strategy=found.settings.name,
        symbol=symbol,
        params=found.settings.params,
        rows=len(frame),
        signals=found.signals,
        still_open=found.still_open,
        hit_rate=float(won) if has_rows else None,
        base_rate=float(found.figures.y_binary.mean()) if has_rows else None,
        mean_r=float(found.figures.r_multiple.mean()) if has_rows else None,
        first=min(days) if has_rows else None,
        last=max(days) if has_rows else None,
        session=session,
        dollars_per_point=float(found.market.dollars[-1]),
        files=tuple(map(str, files)),
    )
