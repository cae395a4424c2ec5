"""`python -m breakeven`: hands heavy verbs to the run's fork server where there is one, else runs them here."""

import sys

HEAVY = {"train", "compress", "evaluate", "measure"}  # verbs that import torch


def main() -> None:
    """Run a verb. Kept light: in a run, this process only waits for a fork of one that has imported everything."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in HEAVY:
        from breakeven.jobs import forkserver

        code = forkserver.forward(arguments)
        if code is not None:
            sys.exit(code)
    from breakeven.cli import main as cli

    sys.exit(cli.run(arguments))


if __name__ == "__main__":
    main()
