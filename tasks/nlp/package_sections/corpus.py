"""The descriptions: read, split and turned into tokens. No torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from breakeven.data import DebianIndexes, obtain

from .._packages import descriptions, packages, part_of

SECTIONS = ("admin", "database", "fonts", "games", "graphics", "mail", "net", "science", "sound", "video")
PERCENT = {"test": 15, "val": 10}  # of the sources
LENGTH = 128  # tokens
VOCABULARY = 8000
PADDING, UNKNOWN = "[PAD]", "[UNK]"

Described = tuple[str, int]  # text, place of its section in SECTIONS


def build() -> dict[str, np.ndarray]:
    """Ids and targets by part, and the tokeniser's JSON as bytes."""
    splits = split(obtain(DebianIndexes()))
    return tokenise(splits, learn_vocabulary([text for text, _ in splits["train"]]))


def split(folder: Path) -> dict[str, list[Described]]:
    """Train, val and test: of every source and section the first package by name."""
    english, seen = descriptions(folder, "en"), set()
    parts: dict[str, list[Described]] = {part: [] for part in ("train", "val", "test")}
    for package in packages(folder):
        place = (package.source, package.section)
        if package.section in SECTIONS and package.description in english and place not in seen:
            seen.add(place)
            text = " ".join(english[package.description].split())
            parts[part_of(package.source, PERCENT)].append((text, SECTIONS.index(package.section)))
    return parts


def learn_vocabulary(texts: list[str]) -> Tokenizer:
    """Byte-pair encoding (Sennrich et al., 2016), lower case, without accents; the same in every run."""
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    how = {"vocab_size": VOCABULARY, "min_frequency": 2, "special_tokens": [PADDING, UNKNOWN]}
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(**how, show_progress=False))
    return tokenizer


def tokenise(splits: dict[str, list[Described]], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """Ids int64 [n, LENGTH], padded with 0, and targets int64 [n] by part, and the tokeniser's JSON as bytes."""
    tokenizer.enable_truncation(LENGTH)
    tokenizer.enable_padding(length=LENGTH, pad_token=PADDING, pad_id=0)
    arrays = {"tokenizer": np.frombuffer(tokenizer.to_str().encode(), np.uint8)}
    for name, described in splits.items():
        arrays[f"{name}_ids"] = np.array([e.ids for e in tokenizer.encode_batch([t for t, _ in described])], np.int64)
        arrays[f"{name}_target"] = np.array([label for _, label in described], np.int64)
    return arrays
