"""Finds pairs of sentences in translated descriptions, splits them and turns them into subwords. No torch at import."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from breakeven.data import obtain

from .._packages import INDEXES, descriptions, packages, paragraphs, part_of

PERCENT = {"test": 4, "val": 2}  # % of the sources
SIZES = {"test": 512, "val": 128}  # sentences at most, since each is decoded subword by subword
LENGTH = 24  # subwords, including the end of a translation
VOCABULARY = 4000  # subwords of both languages together, since names are the same in both
PADDING, BEGIN, END = range(3)
IGNORED = -100  # pads targets
SPECIAL = ["[PAD]", "[BOS]", "[EOS]"]
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-ZÀ-Þ«„\"])")

Pair = tuple[str, str]


def build_fr() -> dict[str, np.ndarray]:
    """Make the arrays of English to French."""
    return build("fr")


def build_de() -> dict[str, np.ndarray]:
    """Make the arrays of English to German."""
    return build("de")


def build(language: str) -> dict[str, np.ndarray]:
    """Make sources, prefixes and targets of each part, and the tokeniser's JSON as bytes."""
    splits = split(obtain(INDEXES), language)
    tokenizer = learn_vocabulary([text for pair in splits["train"] for text in pair])
    arrays = {"tokenizer": np.frombuffer(tokenizer.to_str().encode(), np.uint8)}
    for part, pairs in splits.items():
        arrays |= {f"{part}_{name}": array for name, array in encode(pairs, tokenizer, part).items()}
    return arrays


def split(folder: Path, language: str) -> dict[str, list[Pair]]:
    """Read train, val and test, by source package. No English sentence occurs twice in all parts together."""
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
    """Pair the sentences of two descriptions, if they have equally many paragraphs, in paragraphs with equally many."""
    if len(paragraphs(one)) != len(paragraphs(other)):
        return
    for p, q in zip(paragraphs(one), paragraphs(other), strict=True):
        sentences = SENTENCE_END.split(p), SENTENCE_END.split(q)
        if len(sentences[0]) == len(sentences[1]):
            yield from (pair for pair in zip(*sentences, strict=True) if translated(*pair))


def translated(one: str, other: str) -> bool:
    """Tell whether two sentences may be translations: they differ, and neither is more than twice as long."""
    return one != other and len(one) <= 2 * len(other) and len(other) <= 2 * len(one)


def learn_vocabulary(texts: list[str]) -> Tokenizer:
    """Learn a byte-pair encoding of bytes (Radford et al., 2019): no text is unknown, and decoding is exact."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(pairs: list[Pair], tokenizer: Tokenizer, part: str) -> dict[str, np.ndarray]:
    """Make source ids, prefix ids and target ids, each int64 [n, LENGTH], of the pairs that are short enough.

    Targets are padded with IGNORED. A training prefix is BEGIN and then the target. Other prefixes are BEGIN alone.
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
