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
    """The record of a model file. Times and counts add up over the steps that made it."""

    status: Status = Status.OK
    reason: str | None = None
    file: str | None = None  # file's name within the folder; None without a model
    sha256: str | None = None
    disk_bytes: int | None = None
    packed_bytes: int | None = None  # size after zstd compression
    parameters: int | None = None
    nonzero_parameters: int | None = None
    flops: int | None = None  # arithmetic of one sample, see `components.arithmetic`
    nonzero_flops: int | None = None
    train_time_s: float | None = None  # training time of the model at the start of the chain
    compress_time_s: float = 0.0
    export_time_s: float = 0.0
    making_foreign_load_percent: float = 0.0  # worst of these steps: share of the machine used by other processes

    def require(self) -> None:
        """Raise the failure of an earlier step, so that later steps report its reason."""
        if self.status != Status.OK:
            raise FinalFailure(self.status, self.reason or "")


def read(folder: Path) -> Artifact:
    """Read the record of an artifact.

    Raises:
        UserError: the folder holds no record.
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
    """Verify that the model file is the recorded one, and return its path. Only a verified file may be unpickled.

    Raises:
        CellFailure: an earlier step failed.
        UserError: the file has changed since it was recorded.
    """
    artifact.require()
    path = folder / str(artifact.file)
    if (found := file_sha256(path)) != artifact.sha256:
        raise UserError(f"{path}: sha256 is {found}, recorded was {artifact.sha256}: delete {folder} and run again")
    return path


def describe_file(artifact: Artifact, path: Path) -> None:
    """Record the name, the hash and the sizes of the model file."""
    artifact.file, artifact.sha256, artifact.disk_bytes = path.name, file_sha256(path), path.stat().st_size
    artifact.packed_bytes = pa.Codec("zstd", PACKING).compress(path.read_bytes()).size


def write(artifact: Artifact, folder: Path) -> None:
    """Write the artifact's record into its folder."""
    write_json(asdict(artifact), folder / ARTIFACT)
