"""An artifact: the folder that holds one trained, compressed or exported model and the record of how it was made."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from breakeven.errors import FinalFailure, Status, UserError
from breakeven.files import file_sha256, read_json, write_json
from breakeven.protocol import PACKING
from breakeven.results import ARTIFACT


@dataclass(kw_only=True)
class Artifact:
    """What is known of a model file. Times and counts add up over the steps that led to it."""

    status: Status = Status.OK
    reason: str | None = None
    file: str | None = None  # name within the folder; None where there is no model
    sha256: str | None = None
    disk_bytes: int | None = None
    packed_bytes: int | None = None  # by zstd
    parameters: int | None = None
    nonzero_parameters: int | None = None
    flops: int | None = None  # of one sample, see `arithmetic`
    nonzero_flops: int | None = None
    train_time_s: float | None = None  # of the model the chain starts from
    compress_time_s: float = 0.0
    export_time_s: float = 0.0
    making_foreign_load_percent: float = 0.0  # of the machine, by others, during the worst of these steps

    def require(self) -> None:
        """Raise the failure that ended an earlier step, so that later ones carry its reason."""
        if self.status != Status.OK:
            raise FinalFailure(self.status, self.reason or "")


def read(folder: Path) -> Artifact:
    """The record of an artifact.

    Raises:
        UserError: the folder holds none.
    """
    path = folder / ARTIFACT
    if not path.exists():
        raise UserError(f"{path}: no such artifact: run its job first, or let snakemake make it")
    values = read_json(path)
    try:
        return Artifact(**{**values, "status": Status(values["status"])})
    except (TypeError, KeyError) as error:
        raise UserError(f"{path}: written by another version ({error}): delete {folder} and run again") from error


def model_file(folder: Path, artifact: Artifact) -> Path:
    """The model file, verified to be the one recorded: only then may it be unpickled.

    Raises:
        CellFailure: the earlier step failed.
        UserError: the file was changed since.
    """
    artifact.require()
    path = folder / str(artifact.file)
    if (found := file_sha256(path)) != artifact.sha256:
        raise UserError(f"{path}: sha256 is {found}, recorded was {artifact.sha256}: delete {folder} and run again")
    return path


def describe_file(artifact: Artifact, path: Path) -> None:
    """Record which file holds the model."""
    artifact.file, artifact.sha256, artifact.disk_bytes = path.name, file_sha256(path), path.stat().st_size
    artifact.packed_bytes = pa.Codec("zstd", PACKING).compress(path.read_bytes()).size


def write(artifact: Artifact, folder: Path) -> None:
    """Record the artifact in its folder."""
    write_json(asdict(artifact), folder / ARTIFACT)
