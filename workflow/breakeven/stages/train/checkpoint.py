"""What a training leaves at its validations, so that it can go on after its process was killed."""

from __future__ import annotations

import random
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from breakeven.files import file_sha256, read_json, write_json

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

RECORD = "checkpoint.json"  # names the file that counts, its sha256 and the training that it is of


@dataclass(frozen=True)
class Checkpoint:
    """The last state of one training, in a folder of its own that outlives the job."""

    folder: Path
    training: str  # a digest of all that decides what is trained, and where

    def find(self) -> Path | None:
        """The file to go on from. One of another training, or not as it was written, is removed with a line."""
        if not self.folder.exists():
            return None
        try:
            record = read_json(self.folder / RECORD)
            path = self.folder / record["file"]
            if record["training"] != self.training:
                reason = "of another training: its task, method, hardware, seed, data or versions were others"
            elif file_sha256(path) != record["sha256"]:
                reason = "damaged: it has another sha256 than recorded"
            else:
                print(f"{path}: the training goes on from here", file=sys.stderr)
                return path
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"damaged: {type(error).__name__}: {error}"
        print(f"{self.folder}: ignored and removed, {reason}", file=sys.stderr)
        self.remove()
        return None

    def save(self, trainer: Trainer) -> None:
        """Write the state of now, and only then let the record name it. All processes of the training call it."""
        path = self.folder / f"step={trainer.global_step}.ckpt"
        trainer.save_checkpoint(path)
        if trainer.is_global_zero:
            record = {"file": path.name, "sha256": file_sha256(path), "training": self.training}
            write_json(record, self.folder / RECORD)
            for other in set(self.folder.iterdir()) - {path, self.folder / RECORD}:
                other.unlink(missing_ok=True)
        trainer.strategy.barrier()

    def remove(self) -> None:
        """Forget it: the training has ended, or begins anew."""
        shutil.rmtree(self.folder, ignore_errors=True)


def random_state() -> dict[str, Any]:
    """Where this process's generators of random numbers are, in types that are read without running code."""
    name, keys, *rest = np.random.get_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    numpy = [name, np.asarray(keys).tolist(), *rest]
    return {"torch": torch.get_rng_state(), "cuda": cuda, "numpy": numpy, "python": random.getstate()}


def set_random_state(state: dict[str, Any]) -> None:
    """Draw on from there."""
    torch.set_rng_state(state["torch"])
    for device, one in enumerate(state["cuda"]):
        torch.cuda.set_rng_state(one, device)
    np.random.set_state(tuple(state["numpy"]))
    random.setstate(state["python"])
