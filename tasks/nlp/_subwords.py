"""Texts as ids of subwords, of a vocabulary learned from the training texts. No torch."""

from __future__ import annotations

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

VOCABULARY = 8000
PADDING, UNKNOWN = "[PAD]", "[UNK]"
CHUNK = 4096  # texts whose tokens are in memory at a time

Labelled = tuple[str, int]  # text, class


def encode(splits: dict[str, list[Labelled]], length: int) -> dict[str, np.ndarray]:
    """Ids int64 [n, length], padded with 0, and targets int64 [n] by part, and the tokeniser's JSON as bytes."""
    tokenizer = learn_vocabulary([text for text, _ in splits["train"]])
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length, pad_token=PADDING, pad_id=0)
    arrays = {"tokenizer": np.frombuffer(tokenizer.to_str().encode(), np.uint8)}
    for part, labelled in splits.items():
        arrays[f"{part}_ids"] = _ids([text for text, _ in labelled], tokenizer, length)
        arrays[f"{part}_target"] = np.array([label for _, label in labelled], np.int64)
    return arrays


def learn_vocabulary(texts: list[str]) -> Tokenizer:
    """Byte-pair encoding (Sennrich et al., 2016), lower case, without accents.

    Not WordPiece: the library's trainer breaks ties by the order of a hash table, so that every run gives another one.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    how = {"vocab_size": VOCABULARY, "min_frequency": 2, "special_tokens": [PADDING, UNKNOWN]}
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(**how, show_progress=False))
    return tokenizer


def _ids(texts: list[str], tokenizer: Tokenizer, length: int) -> np.ndarray:
    ids = np.empty((len(texts), length), np.int64)
    for i in range(0, len(texts), CHUNK):
        ids[i : i + CHUNK] = [encoded.ids for encoded in tokenizer.encode_batch(texts[i : i + CHUNK])]
    ids[ids[:, 0] == 0, 0] = tokenizer.token_to_id(UNKNOWN)  # of a text of blanks alone: no text is without a token
    return ids
