"""Units (tasks, methods) importable by their place: `breakeven.plugins.tasks.vision.fashion_mnist`."""

import os
from pathlib import Path

from breakeven import environment

_SHIPPED = Path(__file__).resolve().parents[1] / "shipped"  # only in a wheel: pyproject.toml says what it holds

# The root of the checkout or, where a wheel is installed, the folder with the part of it that the wheel carries.
REPOSITORY = _SHIPPED if _SHIPPED.is_dir() else Path(__file__).resolve().parents[3]

# Python's own import system then finds a unit in any content root, and pickles that name it survive a new process.
__path__ = [str(REPOSITORY), *filter(None, os.environ.get(environment.UNITS, "").split(os.pathsep))]
