"""Reads labelled texts from the Hugging Face hub, or from a folder with the same files. No torch at import."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

from breakeven.data import Unavailable
from breakeven.data.published import named_folder
from breakeven.errors import UserError

from ._subwords import Labelled

LABEL = "label"
VALIDATION = 20  # one of so many published training texts is for validation


@dataclass(frozen=True)
class HubTexts:
    """A data set of the hub, pinned by its commit. Its Parquet files have a column of texts and a column of labels."""

    name: str  # on the hub: "owner/name"
    revision: str  # the commit
    variable: str  # environment variable that names a folder with the files, for machines without access to the hub
    train: str  # path of the training file in the data set
    test: str  # path of the test file in the data set
    column: str  # the name of the column of texts
    classes: int  # labels are 0 to `classes` - 1

    def parts(self) -> dict[str, list[Labelled]]:
        """Read the texts and labels of train, val and test. Validation is held out of the training file.

        Raises:
            Unavailable: the hub cannot be reached, and no folder is named.
            UserError: the library `datasets` is missing, or the files have other content.
        """
        parts: dict[str, list[Labelled]] = {"train": [], "val": [], "test": self._read(self.test)}
        for text, label in self._read(self.train):
            parts["val" if held_out(text) else "train"].append((text, label))
        return parts

    def _read(self, path: str) -> list[Labelled]:
        source = self._source()
        columns = self._load(f"{source}/{path}")
        for name in (self.column, LABEL):
            if None in columns.get(name, [None]):
                raise UserError(f"{source}/{path} has no complete column '{name}': {self._remedy()}")
        if wrong := set(columns[LABEL]) - set(range(self.classes)):
            found = f"the label {wrong.pop()}, not 0 to {self.classes - 1} alone"
            raise UserError(f"{source}/{path} has {found}: {self._remedy()}")
        return list(zip(columns[self.column], columns[LABEL], strict=True))

    def _load(self, file: str) -> dict[str, list[Any]]:
        try:
            from datasets import load_dataset
            from datasets.exceptions import DatasetsError
            from huggingface_hub.errors import HTTPError  # of the HTTP library that `datasets` uses
        except ImportError as error:
            raise UserError("the package datasets is not installed: run 'pip install datasets'") from error
        # A temporary cache: the library leaves no copy behind, and takes no copy of another commit.
        with TemporaryDirectory() as cache:
            try:
                found = load_dataset("parquet", data_files=[file], split="train", cache_dir=cache)
            except (DatasetsError, HTTPError, OSError, ValueError) as error:
                kind = UserError if self._named() else Unavailable
                raise kind(f"{file} could not be had ({_reason(error)}): {self._remedy()}") from error
            return {name: found[name][:] for name in found.column_names}

    def _source(self) -> str:
        if not self._named():
            return f"hf://datasets/{self.name}@{self.revision}"
        return str(named_folder(self.variable, self._layout(), holding=(self.train, self.test)).absolute())

    def _named(self) -> bool:
        return bool(os.environ.get(self.variable))

    def _layout(self) -> str:
        files = f"https://huggingface.co/datasets/{self.name}/tree/{self.revision}"
        return f"a folder with {self.train} and {self.test} from {files}"

    def _remedy(self) -> str:
        if self._named():
            return f"set {self.variable} to {self._layout()}"
        return (
            f"give this machine access to huggingface.co, or set {self.variable} to {self._layout()}, or set "
            "BREAKEVEN_CACHE to a cache copied from another machine"
        )


def held_out(text: str) -> bool:
    """Tell whether a text is for validation: by the hash of its words, so that duplicates stay together."""
    words = " ".join(text.lower().split())
    return int(hashlib.sha256(words.encode()).hexdigest(), 16) % VALIDATION == 0


def _reason(error: Exception) -> str:
    """The first line of an error's message, or of its cause's message where it wraps another error."""
    text = str(error.__cause__ or error) or type(error).__name__
    return text.strip().splitlines()[0].rstrip(".")
