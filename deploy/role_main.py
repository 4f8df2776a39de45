"""The program of one role's process, as its parent starts it: `assay run`, and lighter.

What reads the options of `assay run` for people weighs 10 MiB and takes a seventh of a second,
once per role; a parent makes no typing errors. Options and exit statuses are the same.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.config import load_run
from deploy.role_runtime import METRICS_HOST, NATS_VARIABLE, metrics_at, run_role
from deploy.state import StateDir
from streams.errors import AssayError, BrokerError, ConfigError, DataError

NEGATIVE, USAGE = 1, 2


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments: those of `assay run`, all that matters given."""
    parser = argparse.ArgumentParser(prog="python -m deploy.role_main", description=__doc__)
    parser.add_argument("role")
    parser.add_argument("--config", "-c", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], dest="assignments")
    server = os.environ.get(NATS_VARIABLE)
    parser.add_argument("--nats", default=server, required=server is None)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--shard", type=int, default=0)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--standby", action="store_true")
    parser.add_argument("--follow-parent", action="store_true")
    parser.add_argument("--metrics-port", type=int)
    parser.add_argument("--metrics-host", default=METRICS_HOST)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run the role until it is told to stop; return the exit status."""
    order = parser().parse_args(arguments)
    state = StateDir(order.state_dir)
    try:
        settings = load_run(order.config, order.assignments)
        state.make()
        run_role(
            order.role,
            settings,
            state,
            order.nats,
            shard=order.shard,
            shards=order.shards,
            standby=order.standby,
            follows_parent=order.follow_parent,
            metrics=metrics_at(order.metrics_host, order.metrics_port),
        )
    except AssayError as error:
        sys.stderr.write(f"assay: {' '.join(str(error).split())}\n")
        return USAGE if isinstance(error, (ConfigError, DataError, BrokerError)) else NEGATIVE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
