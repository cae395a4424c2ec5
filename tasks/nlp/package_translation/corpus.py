"""Pairs of sentences: found in translated descriptions, split and turned into subwords. No torch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from breakeven.data import DebianIndexes, obtain

from .._packages import descriptions, packages, paragraphs, part_of

PERCENT = {"test": 4, "val": 2}  # of the sources
SIZES = {"test": 512, "val": 128}  # sentences of these at most: each is decoded word by word
LENGTH = 24  # subwords, the end of a translation included
VOCABULARY = 4000  # of both languages together: names are the same in both
PADDING, BEGIN, END = range(3)
IGNORED = -100  # what pads targets
SPECIAL = ["[PAD]", "[BOS]", "[EOS]"]
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-ZÀ-Þ«„\"])")

Pair = tuple[str, str]


def build_fr() -> dict[str, np.ndarray]:
    """English to French."""
    return build("fr")


def build_de() -> dict[str, np.ndarray]:
    """English to German."""
    return build("de")


def build(language: str) -> dict[str, np.ndarray]:
    """Sources, prefixes and targets by part, and the tokeniser's JSON as bytes."""
    splits = split(obtain(DebianIndexes()), language)
    tokenizer = learn_vocabulary([text for pair in splits["train"] for text in pair])
    arrays = {"tokenizer": np.frombuffer(tokenizer.to_str().encode(), np.uint8)}
    for part, pairs in splits.items():
        arrays |= {f"{part}_{name}": array for name, array in encode(pairs, tokenizer, part).items()}
    return arrays


def split(folder: Path, language: str) -> dict[str, list[Pair]]:
    """Train, val and test, by source package; no English sentence occurs twice in them all."""
    english, other = descriptions(folder, "en"), descriptions(folder, language)
    parts: dict[str, list[Pair]] = {part: [] for part in ("train", "val", "test")}
    seen: set[str] = set()
    for package in packages(folder):
        if package.description in english and package.description in other:
            for pair in aligned(english[package.description], other[package.description]):
                if (key := pair[0].lower()) not in seen:
                    seen.add(key)
                    parts[part_of(package.source, PERCENT)].append(pair)
    return parts


def aligned(one: str, other: str) -> Iterator[Pair]:
    """The sentences of two descriptions that have as many paragraphs, from paragraphs that have as many sentences."""
    if len(paragraphs(one)) != len(paragraphs(other)):
        return
    for p, q in zip(paragraphs(one), paragraphs(other), strict=True):
        sentences = SENTENCE_END.split(p), SENTENCE_END.split(q)
        if len(sentences[0]) == len(sentences[1]):
            yield from (pair for pair in zip(*sentences, strict=True) if translated(*pair))


def translated(one: str, other: str) -> bool:
    """Whether two sentences may say the same in two languages: they differ, and neither is twice as long."""
    return one != other and len(one) <= 2 * len(other) and len(other) <= 2 * len(one)


def learn_vocabulary(texts: list[str]) -> Tokenizer:
    """Byte-pair encoding of bytes (Radford et al., 2019): nothing is unknown, and decoding gives the text back."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    how = {"vocab_size": VOCABULARY, "special_tokens": SPECIAL, "initial_alphabet": pre_tokenizers.ByteLevel.alphabet()}
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(**how, show_progress=False))
    return tokenizer


def encode(pairs: list[Pair], tokenizer: Tokenizer, part: str) -> dict[str, np.ndarray]:
    """The pairs that fit, each int64 [n, LENGTH]: source ids; prefix ids; target ids, padded with IGNORED.

    A training prefix is the target one place later, after BEGIN. Elsewhere BEGIN is all there is of it.
    """
    ids = [[encoding.ids for encoding in tokenizer.encode_batch(list(texts))] for texts in zip(*pairs, strict=True)]
    fitting = [pair for pair in zip(*ids, strict=True) if len(pair[0]) <= LENGTH and len(pair[1]) < LENGTH]
    if part in SIZES:
        fitting = sorted(fitting, key=lambda pair: hashlib.sha256(repr(pair).encode()).digest())[: SIZES[part]]
    known = [words if part == "train" else [] for _, words in fitting]
    return {
        "source": _padded([words for words, _ in fitting], PADDING),
        "prefix": _padded([[BEGIN, *words] for words in known], PADDING),
        "target": _padded([[*words, END] for _, words in fitting], IGNORED),
    }


def _padded(rows: list[list[int]], padding: int) -> np.ndarray:
    return np.array([row + [padding] * (LENGTH - len(row)) for row in rows], np.int64)
