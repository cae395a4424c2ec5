"""Imports units (tasks, methods) by their place: `breakeven.plugins.tasks.vision.fashion_mnist`."""

import os
from pathlib import Path

from breakeven import environment

_SHIPPED = Path(__file__).resolve().parents[1] / "shipped"  # exists only in a wheel; pyproject.toml lists its content

# The root of the checkout. In an installed wheel, the folder with the part of the checkout that the wheel carries.
REPOSITORY = _SHIPPED if _SHIPPED.is_dir() else Path(__file__).resolve().parents[3]

# Python's own import system then finds a unit in any content root, and a pickle that names a unit loads in a new
# process.
__path__ = [str(REPOSITORY), *filter(None, os.environ.get(environment.UNITS, "").split(os.pathsep))]
