"""Neural Compressor's static post-training quantisation as in its guide, called directly, compiled by Inductor.

Reference: https://github.com/intel/neural-compressor/blob/master/docs/source/3x/PT_StaticQuant.md. The tool is
installed into its own environment, which shares torch with this one. This needs a package index.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import tempfile
import venv
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

import breakeven
from breakeven.data import cache
from breakeven.errors import CellFailure
from breakeven.method import Change, CompressionContext, CompressionMethod

if TYPE_CHECKING:
    from torch import nn

PEER = "neural-compressor-pt==3.10"
# This program gets our module, whose classes it finds on PYTHONPATH, and saves its result by torch.export.
DRIVER = """
import sys, torch
from neural_compressor.torch.export import export
from neural_compressor.torch.quantization import StaticQuantConfig, convert, prepare
given, samples, taken = sys.argv[1:]
batches = torch.load(samples)
shapes = tuple({0: torch.export.Dim.DYNAMIC} for _ in batches[0])
model = prepare(export(torch.load(given, weights_only=False), batches[0], shapes), StaticQuantConfig())
for inputs in batches:
    model(*inputs)
torch.export.save(torch.export.export(convert(model), batches[0], dynamic_shapes=shapes), taken)
"""


@dataclass(frozen=True)
class DirectNeuralCompressor(CompressionMethod):
    """Calls `prepare`, calibrates, then calls `convert`."""

    reference: ClassVar[str] = "https://github.com/intel/neural-compressor"
    changes: ClassVar[Change] = "precision"

    samples: int = Field(256, ge=1, description="training samples to calibrate on")

    @property
    def runtime(self) -> str:
        return "torch_compile"

    @property
    def precision(self) -> str:
        return "int8"

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        import torch

        from breakeven.components.graphs import savable, with_integer_weights

        batches = [inputs for inputs, _ in context.training_samples(self.samples)]
        with tempfile.TemporaryDirectory() as name:
            given, samples, taken = (Path(name) / file for file in ("given.pt", "samples.pt", "taken.pt2"))
            torch.save(model, given)
            torch.save(batches, samples)
            command = [environment(), "-c", DRIVER, given, samples, taken]
            variables = {**os.environ, "PYTHONPATH": str(Path(breakeven.__file__).parents[1])}
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
            if done.returncode:
                raise CellFailure(
                    "method_error", f"{PEER}: {(done.stderr.strip() or 'it was killed').splitlines()[-1]}"
                )
            import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  # its operators are in the saved graph

            return with_integer_weights(savable(torch.export.load(taken).module(check_guards=False)))


def environment() -> Path:
    """Return the Python of an environment with the tool, which is made unless it is there; other packages are ours."""
    folder = cache() / "peers" / PEER
    python, made = folder / "bin" / "python", folder / "made"
    if made.exists():
        return python
    venv.create(folder, with_pip=True, clear=True)
    torch = importlib.util.find_spec("torch")
    assert torch and torch.origin
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "shared.pth").write_text(f"{Path(torch.origin).parents[1]}\n")
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    install = subprocess.run(
        [python, "-m", "pip", "install", PEER], capture_output=True, text=True, check=False, env=variables
    )
    if install.returncode:
        raise CellFailure("method_error", f"{PEER} cannot be installed: {install.stderr.strip().splitlines()[-1]}")
    made.touch()
    return python
