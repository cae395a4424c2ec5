"""Units (tasks, methods) importable by their place: `breakeven.plugins.tasks.vision.fashion_mnist`."""

import os
from pathlib import Path

from breakeven import environment

REPOSITORY = Path(__file__).resolve().parents[3]

# Python's own import system then finds a unit in any content root, and pickles that name it survive a new process.
__path__ = [str(REPOSITORY), *filter(None, os.environ.get(environment.UNITS, "").split(os.pathsep))]
