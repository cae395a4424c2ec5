"""The grid: expands a config to cells, and finds the files that a job reads from the job's wildcards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from breakeven import protocol, results
from breakeven.errors import UserError
from breakeven.grid import chain as chains
from breakeven.grid.chain import Chain
from breakeven.method import TrainingMethod
from breakeven.units import registry, schema


@dataclass(frozen=True)
class TrainingCell:
    """One trained model: a cell of the training board, or the start of chains of the inference board."""

    task: str
    training_method: str
    hardware: str
    seed: int

    @property
    def key(self) -> str:
        """The folder of the cell below the folder of each stage: `fashion_mnist/single_device@cpu_1/seed=0`."""
        return results.training(self.task, self.training_method, self.hardware, self.seed)


@dataclass(frozen=True)
class InferenceCell:
    """One cell of the inference board: a chain applied to a trained model, measured on one hardware profile."""

    trained: TrainingCell
    chain: str
    hardware: str

    @property
    def folder(self) -> str:
        """The folder of the cell below the results folder."""
        return results.cell(self.trained.key, self.chain, self.hardware)


@dataclass(frozen=True)
class Grid:
    """All cells that a config asks for."""

    training_cells: list[TrainingCell]  # cells of the training board; each is timed alone
    inference_cells: list[InferenceCell]
    mode: str  # brief, quick or full
    config_sha256: str  # hash of the keys that change a result: all but `results` and `bundle_min`


def expand(config: Mapping[str, Any], where: str = "config") -> Grid:
    """Expand a config to its cells, and check every name and parameter before any work starts.

    Raises:
        UserError: what is wrong, where, and what to do.
    """
    config = schema.check(_numbers(config), "config", where)
    tasks = [registry.identify("tasks", text) for text in config["tasks"]]
    seeds = config["seeds"]
    source = _placed(config["trained_as"])
    training_cells = [
        TrainingCell(task, method, hardware, seed)
        for task in tasks
        for method, hardware in map(_placed, config["training_cells"])
        for seed in seeds
    ]
    asked = [chains.served(text) for text in (*config["chains"], *_points(config.get("curve", {})))]
    # The uncompressed model is measured in each runtime too. This separates the runtime's gain from the compression's.
    names = dict.fromkeys([protocol.REFERENCE, *map(str, asked), *(str(chains.parse(c.runtime)) for c in asked)])
    for hardware in config["hardware"]:
        if (nodes := registry.hardware(hardware).nodes) > 1:
            raise UserError(
                f"hardware '{hardware}': has {nodes} nodes, a model is served on one: list it under 'training_cells'"
            )
    inference_cells = [
        InferenceCell(TrainingCell(task, *source, seed), chain, hardware)
        for task in tasks
        for seed in seeds
        for hardware in config["hardware"]
        for chain in names
    ]
    measured = {key: value for key, value in config.items() if key not in ("results", "bundle_min")}
    config_sha256 = hashlib.sha256(json.dumps(measured, sort_keys=True).encode()).hexdigest()
    unique = list(dict.fromkeys(training_cells)), list(dict.fromkeys(inference_cells))
    return Grid(*unique, config["mode"], config_sha256)


def read_config(path: Path) -> dict[str, Any]:
    """Read a config file and check it against its schema."""
    return schema.read_yaml(path, schema="config")


def step_sources(chain: str) -> list[str]:
    """The files of a chain's last step. Files of earlier steps are inputs of the jobs that run these steps."""
    return registry.method_sources(last_step(chain))


def runtime_sources(chain: str) -> list[str]:
    """The files of the runtime that serves a chain."""
    return registry.method_sources(chains.parse(chain).runtime)


def last_step(chain: str) -> str:
    """The step that turns the prefix's artifact into this chain's."""
    return chains.parse(chain).steps[-1]


def trained(wildcards: Any) -> TrainingCell:
    """The trained model that a job's wildcards name."""
    w = wildcards
    return TrainingCell(w.task, w.training_method, w.train_hardware, int(w.seed))


def artifact(key: str, chain: str) -> str:
    """The folder of a chain's artifact below the results folder. For the reference it is the trained model's folder."""
    return _artifact(key, chains.parse(chain))


def prefix_artifact(key: str, chain: str) -> str:
    """The folder of the artifact that the last step of a chain starts from."""
    return _artifact(key, chains.parse(chain).prefix)


def _artifact(key: str, chain: Chain) -> str:
    return results.artifact(key, str(chain)) if chain.steps else results.model(key)


def measured_from(wildcards: Any) -> dict[str, str]:
    """The folders that the measurement of a cell reads: artifact and evaluation of the cell and of its reference."""
    key, kind = trained(wildcards).key, registry.accelerator(wildcards.hardware)
    return {
        "artifact": artifact(key, wildcards.chain),
        "reference": artifact(key, protocol.REFERENCE),
        "evaluation": results.evaluation(key, wildcards.chain, kind),
        "reference_evaluation": results.evaluation(key, protocol.REFERENCE, kind),
    }


def _numbers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the config's seeds to integers: Snakemake leaves the numbers of a list in --config as text."""
    seeds = config.get("seeds")
    if isinstance(seeds, list):
        seeds = [int(seed) if isinstance(seed, str) and seed.isdecimal() else seed for seed in seeds]
    return {**config, **({"seeds": seeds} if "seeds" in config else {})}


def _points(curves: Mapping[str, Mapping[str, list[Any]]]) -> Iterator[str]:
    """The chains of `curve`: copies of each chain in which one parameter of one step takes several values."""
    for chain, swept in curves.items():
        for parameter, values in swept.items():
            steps = chain.split("+")
            having = [i for i, step in enumerate(steps) if parameter in registry.parameters(registry.method(step))]
            if len(having) != 1:
                found = "no step has" if not having else f"{len(having)} steps have"
                raise UserError(f"curve '{chain}': {found} a parameter '{parameter}': name one that one step has")
            for value in values:
                at = having[0]
                yield "+".join([*steps[:at], f"{steps[at]}-{parameter}={value}", *steps[at + 1 :]])


def _placed(text: str) -> tuple[str, str]:
    """Split a text such as `single_device@cpu_1` into method and hardware profile, and check both."""
    method, at, hardware = text.partition("@")
    if not at:
        raise UserError(f"training '{text}': write method@hardware, such as single_device@cpu_1")
    if not isinstance(registry.method(method), TrainingMethod):
        raise UserError(f"training '{text}': '{method}' does not train: list it under 'chains'")
    registry.hardware(hardware)
    return registry.identify("methods", method), hardware
