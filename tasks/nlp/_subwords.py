"""Turns texts into ids of subwords, with a vocabulary learned from the training texts. No torch at import."""

from __future__ import annotations

from typing import cast

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

VOCABULARY = 8000  # subwords
PADDING, UNKNOWN = "[PAD]", "[UNK]"
CHUNK = 4096  # texts that are tokenised at a time, to bound the memory

Labelled = tuple[str, int]  # text, class


def encode(splits: dict[str, list[Labelled]], length: int) -> dict[str, np.ndarray]:
    """Make ids int64 [n, length], padded with 0, and targets int64 [n] of each part.

    The array `tokenizer` holds the tokeniser's JSON as bytes.
    """
    tokenizer = learn_vocabulary([text for text, _ in splits["train"]])
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length, pad_token=PADDING, pad_id=0)
    arrays = {"tokenizer": np.frombuffer(tokenizer.to_str().encode(), np.uint8)}
    for part, labelled in splits.items():
        arrays[f"{part}_ids"] = _ids([text for text, _ in labelled], tokenizer, length)
        arrays[f"{part}_target"] = np.array([label for _, label in labelled], np.int64)
    return arrays


def learn_vocabulary(texts: list[str]) -> Tokenizer:
    """Learn a byte-pair encoding (Sennrich et al., 2016) of lower-case text without accents.

    WordPiece is not used: its trainer breaks ties by the order of a hash table, so each run gives another vocabulary.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [PADDING, UNKNOWN]
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, min_frequency=2, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _ids(texts: list[str], tokenizer: Tokenizer, length: int) -> np.ndarray:
    ids = np.empty((len(texts), length), np.int64)
    for i in range(0, len(texts), CHUNK):
        ids[i : i + CHUNK] = [encoded.ids for encoded in tokenizer.encode_batch(texts[i : i + CHUNK])]
    ids[ids[:, 0] == 0, 0] = cast(int, tokenizer.token_to_id(UNKNOWN))  # a text of blanks alone gets one token
    return ids
