"""The portfolio of a run: its strategies on its bars, with its models, on shared capital."""

import os
from pathlib import Path

import msgspec

from deploy.config import RunSettings
from deploy.first_models import first_models
from deploy.state import StateDir
from engine.backtests.context_rows import context_rows
from engine.instrument_book import InstrumentBook
from engine.settings import EXTERNAL
from models.feature_set import load_feature_set
from models.vector import vector_names
from streams.errors import ConfigError
from streams.session import session
from trainers.reports.backtest_page import write_backtest_page
from trainers.research.backtest_frames import equity_frame, trades_frame
from trainers.research.histories import read_history
from trainers.research.instruments import read_instruments
from trainers.research.portfolio_backtest import PortfolioBacktest, run_backtest


def account_backtest(settings: RunSettings, state: StateDir) -> PortfolioBacktest:
    """Return the backtest of the run's strategies; external ones have no rule to run.

    Raises ConfigError where nothing is left to trade, or a model cannot be used.
    """
    strategies = tuple(one for one in settings.strategies if one.rule_name != EXTERNAL)
    if not strategies:
        raise ConfigError("a portfolio needs a strategy that is not external, there is none")
    features, clock = load_feature_set(), session(settings.data.session)
    history = read_history(settings.data.source_settings())
    instruments = msgspec.structs.replace(
        strategies[0].instruments or read_instruments(), session=settings.data.session
    )
    names = {one.name: vector_names(features.names, one.features) for one in settings.strategies}
    return run_backtest(
        strategies,
        history,
        InstrumentBook(instruments),
        settings.portfolio,
        features,
        context_rows(history, clock, settings.context),
        first_models(names, settings, state),
        threads=os.cpu_count() or 1,
    )


def write_backtest(backtest: PortfolioBacktest, name: str, folder: Path) -> tuple[Path, ...]:
    """Write trades and equity as CSV and Parquet, and the page; return their paths.

    Raises ConfigError for a folder that cannot be written.
    """
    paths: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table, frame in (
            ("trades", trades_frame(backtest)),
            ("signals", trades_frame(backtest, only_taken=False)),
            ("equity", equity_frame(backtest)),
        ):
            frame.write_csv(folder / f"{table}.csv")
            frame.write_parquet(folder / f"{table}.parquet")
            paths += [folder / f"{table}.csv", folder / f"{table}.parquet"]
        page = folder / "report.html"
        write_backtest_page(backtest, name, page)
    except OSError as error:
        raise ConfigError(
            f"--output-dir must be a folder that can be written, was {folder}: {error.strerror}"
        ) from None
    return (*paths, page)
