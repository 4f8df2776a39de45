"""A sweep from the command line: run, shown while it runs, and told at its end."""

import importlib.metadata
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deploy.output import Output
from deploy.research.sweep_file import SweepFile, work_of_file
from deploy.research.training import DISTRIBUTION
from deploy.research.winners_table import honest_line, verdict_of, winners_table
from streams.clock import SystemClock
from trainers.research.trial_ledger import TrialLedger
from trainers.sweeps.research_store import ResearchStore
from trainers.sweeps.sweep import Swept, runs_in, sweep
from trainers.sweeps.sweep_plan import SweepWork
from trainers.sweeps.sweep_skill import trials_of
from trainers.sweeps.sweep_workers import default_workers
from trainers.sweeps.winners import Choice, Winner, choose_winners

BEST_SHOWN = 10
POOLED_SHOWN = 5


def run_sweep(file: SweepFile, db: str, ledger_db: str, workers: int, output: Output) -> None:
    """Do what of a sweep is not done yet, and tell the best; `workers` 0 is one per core."""
    work = work_of_file(file, importlib.metadata.version(DISTRIBUTION))
    with ResearchStore(db) as store, TrialLedger(ledger_db) as ledger:
        _announce(work, output)
        try:
            with _progress(output.console) as on_progress:
                swept = sweep(
                    work,
                    store,
                    ledger,
                    workers=workers or default_workers(),
                    now_ns=SystemClock().now_ns(),
                    on_progress=on_progress,
                )
        except KeyboardInterrupt:
            output.say(f"stopped: {store.count()} runs are in {store.name}; run it again to go on")
            raise
        output.say(f"{swept.added} runs done, {swept.found} were in {store.name} already")
        _tell_best(work, store, ledger, swept, output)


def _announce(work: SweepWork, output: Output) -> None:
    sets, symbols = len(work.batches), len(work.history.symbols)
    output.say(f"{work.runs} runs: {sets} sets of parameters on {symbols} symbols")
    if work.refused:
        output.say(f"left out: {work.refused} sets of parameters that contradict themselves")
    if work.left_out:
        output.say(f"left out: {', '.join(work.left_out)}, which have too few bars")


def _tell_best(
    work: SweepWork, store: ResearchStore, ledger: TrialLedger, swept: Swept, output: Output
) -> None:
    runs = store.runs()
    trials = trials_of(runs, ledger)
    own = runs_in(work, runs)
    shown: list[Winner] = []
    for top, pooled, title in (
        (POOLED_SHOWN, True, "best on all symbols together"),
        (BEST_SHOWN, False, "best on one symbol"),
    ):
        choice = Choice(top=top, objective=work.plan.objective, per="overall", pooled=pooled)
        found = choose_winners(own, trials, choice, store.name)
        if found.winners:
            output.show(winners_table(found.winners, f"{title}, by {found.objective}"))
        shown += found.winners
    output.say(honest_line(shown, trials.count))
    output.document(
        {
            "db": store.name,
            "runs": swept.runs,
            "found": swept.found,
            "added": swept.added,
            "trials": trials.count,
            "refused": work.refused,
            "left_out": work.left_out,
            "best": [{"winner": one, "verdict": verdict_of(one)} for one in shown],
        }
    )


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Yield what is told how many of how many runs are done; only a terminal shows it."""
    with Progress(
        TextColumn("sweep"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs, ETA"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("sweep", total=None)

        def on_progress(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield on_progress
