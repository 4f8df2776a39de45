"""The program `assay`: quiet also when it is stopped while it still loads."""

import sys

STOPPED = 1


def main() -> None:
    """Load the command line and run it."""
    try:
        from deploy.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("assay: stopped\n")
        sys.exit(STOPPED)
    run()
