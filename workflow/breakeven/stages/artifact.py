"""An artifact: the folder that holds one trained, compressed or exported model and the record of how it was made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from breakeven.data.archives import file_sha256
from breakeven.errors import FinalFailure, UserError
from breakeven.files import read_json, write_json
from breakeven.rows import Status

RECORD = "artifact.json"
PACKING = 9  # zstd's level: 100 MB take some seconds


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
    path = folder / RECORD
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
    write_json(asdict(artifact), folder / RECORD)


@contextmanager
def folder_aside(target: Path) -> Iterator[Path]:
    """A folder beside `target` that takes its place when the block ends well, and is removed otherwise."""
    temporary = target.with_name(f".{target.name}.tmp")  # always the same: what a killed job left is removed here
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
