"""The drift monitor's role: outcomes and answers in; drift events and requests out.

Neither feed waits for the other: the core says nothing that one of them has yet to vouch for. So
its progress is that of the slower, and its position that in OUTCOMES.
"""

from typing import Any

from engine.drift.drift_monitor import DriftMonitor
from engine.shells.shell import Feed, Shell
from streams import topology
from streams.bus import Bus

ROLE = "drift"


def drift_shell(bus: Bus, core: DriftMonitor, **options: Any) -> Shell:
    """Return the shell of the drift monitor's role; `options` are those of Shell.

    RETRAIN is a work queue and cannot be read back: a request that goes out twice after a crash
    carries the same id, and the trainers' ledger answers it once. The trainers wait for nothing
    but the progress in DRIFT, so a request is stored before that vouches for it.
    """
    outcomes = Feed(topology.OUTCOMES)
    return Shell(
        bus,
        core,
        role=ROLE,
        feeds=(Feed(topology.SCORED), outcomes) if core.watches_scores else (outcomes,),
        writes=(topology.DRIFT,),
        vouches_across_streams=True,
        **options,
    )
