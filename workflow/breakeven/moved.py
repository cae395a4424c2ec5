"""Maps the old names of moved modules to the new ones, for an error at import."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from typing import Any

MOVED = {
    "answer": "cli.cheapest",
    "arithmetic": "components.arithmetic",
    "artifact": "stages.artifact",
    "bundles": "jobs.bundles",
    "calibration": "trust.calibration",
    "catalogue": "units.catalogue",
    "cell": "stages.measure.stage",
    "chain": "grid.chain",
    "cheapest": "scoring.cheapest",
    "checkpoint": "stages.train.checkpoint",
    "clock": "stages.train.clock",
    "cluster": "jobs.cluster_start",
    "collection": "stages.collect",
    "compression": "stages.compress.step",
    "consistency": "trust.violations",
    "context": "stages.compress.context",
    "cost": "scoring.cost",
    "crew": "components.serving_ranks",
    "curves": "scoring.curves",
    "datamodule": "data.loaders",
    "doctor": "trust.doctor",
    "documentation": "units.docstrings",
    "energy": "machine.energy",
    "evaluation": "stages.evaluate.quality",
    "exporting": "components.exporting",
    "figures": "scoring.wording",
    "forkserver": "jobs.forkserver",
    "graphs": "components.graphs",
    "leaderboard": "scoring.leaderboard",
    "lengths": "components.lengths",
    "listing": "cli.units",
    "measurement": "stages.measure.lockstep",
    "memory": "machine.memory",
    "merging": "trust.merging",
    "network": "machine.link",
    "networks": "components.image_networks",
    "nodes": "stages.train.multi_node",
    "outputs": "stages.outputs",
    "overall": "scoring.overall",
    "progress": "cli.progress",
    "provenance": "machine.provenance",
    "published": "data.published",
    "ranking": "scoring.ties",
    "ranks": "components.training_ranks",
    "ratios": "scoring.ratios",
    "record": "rows",
    "registry": "units.registry",
    "resampling": "stages.evaluate.resampling",
    "row_rules": "trust.rules",
    "rule": "trust.rule_kinds",
    "scaling": "scoring.scaling",
    "schema": "units.schema",
    "serving": "stages.measure.served_model",
    "slurm": "jobs.slurm",
    "sources": "data.archives",
    "supervision": "jobs.supervision",
    "tables": "cli.tables",
    "terminal": "cli.boards",
    "training": "stages.train.fit",
    "training_cell": "stages.train.stage",
    "validation": "trust.validation",
    "verbs": "cli.stages",
    "verification": "trust.verification",
}


class Signpost(MetaPathFinder):
    """Reports the new name of a moved module. Python asks it only after every other finder has failed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Find nothing.

        Raises:
            ModuleNotFoundError: the module has moved; the message has its new name.
        """
        package, _, module = name.partition(".")
        if package == "breakeven" and module in MOVED:
            raise ModuleNotFoundError(f"{name} is now breakeven.{MOVED[module]}: correct the import")


def install() -> None:
    """Add the signpost as Python's last finder."""
    sys.meta_path.append(Signpost())
