"""The names that identify a cell of the inference board, and its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from breakeven.grid import chain as chains
from breakeven.grid.chain import Chain
from breakeven.hardware import HardwareProfile
from breakeven.machine import provenance
from breakeven.protocol import SCENARIOS
from breakeven.rows import InferenceRow
from breakeven.stages.job import as_json, identity
from breakeven.task import Task
from breakeven.units import registry


@dataclass(frozen=True, kw_only=True)
class CellSpec:
    """One cell of the inference board, as named by a job's command line."""

    task_text: str
    trained_as: str  # method@hardware of the model's training
    seed: int
    chain_text: str
    hardware_name: str
    mode: str  # a key of `protocol.MODES`

    @cached_property
    def task(self) -> Task:
        """Return the task with its parameters set."""
        return registry.task(self.task_text)

    @cached_property
    def chain(self) -> Chain:
        """Return the chain with the runtime that serves it."""
        return chains.served(self.chain_text)

    @cached_property
    def hardware(self) -> HardwareProfile:
        """Return the hardware profile on which the cell is timed."""
        return registry.hardware(self.hardware_name)

    def row(self, scenario: str, dataset_sha256: str) -> InferenceRow:
        """Make the cell's row in one scenario, with every field that is known before any work."""
        own, reference = (self._identity(steps, scenario) for steps in (self.chain.steps, ()))
        return InferenceRow(
            **own,
            dataset_sha256=dataset_sha256,
            method=self.chain.compressions,
            method_params=as_json(_with_parameters(self.chain.steps)),
            chain=str(self.chain),
            runtime=self.chain.runtime,
            runtime_version=provenance.package_version(self.chain.served_by.package),
            precision=self.chain.precision,
            scenario=scenario,
            batch_size=SCENARIOS[scenario],
            mode=self.mode,
            reference_cell_id=reference["cell_id"],
        )

    def _identity(self, steps: Sequence[str], scenario: str) -> dict[str, Any]:
        cell = [self.task_text, self.trained_as, self.seed, _with_parameters(steps), scenario]
        return identity(self.task_text, self.task, self.trained_as, self.hardware, self.seed, cell)


def _with_parameters(steps: Sequence[str]) -> list[list[Any]]:
    return [[step, registry.parameters(registry.method(step))] for step in steps]
