"""The drift monitor's role: outcomes in; drift events and retrain requests out."""

from typing import Any

from engine.drift_monitor import DriftMonitor
from engine.shells.shell import Feed, Shell
from streams import topology
from streams.bus import Bus

ROLE = "drift"


def drift_shell(bus: Bus, core: DriftMonitor, **options: Any) -> Shell:
    """Return the shell of the drift monitor's role; `options` are those of Shell.

    RETRAIN is a work queue and cannot be read back: a request that goes out twice after a crash
    carries the same id, and the trainers' ledger answers it once.
    """
    return Shell(
        bus,
        core,
        role=ROLE,
        feeds=(Feed(topology.OUTCOMES),),
        writes=(topology.DRIFT,),
        **options,
    )
