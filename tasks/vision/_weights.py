"""timm's weights: what to do where they cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import timm

from breakeven.errors import UserError


@contextmanager
def timms_weights(name: str, wanted: bool) -> Iterator[None]:
    """Around the making of a network of timm: says in plain words that there are no weights, where they are wanted.

    Raises:
        UserError: timm has none for it, or they could not be downloaded.
    """
    if wanted and timm.is_model(name) and not timm.models.is_model_pretrained(name):
        raise UserError(f"timm has no weights for '{name}': take pretrained=False, or a network with weights")
    try:
        yield
    except OSError as error:  # so the hub's own errors are
        said = str(error).strip().splitlines()[0]
        raise UserError(
            f"timm's weights for '{name}' could not be had ({said}): give this machine access to huggingface.co, or "
            "copy its cache ($HF_HOME) from one that has them, or take pretrained=False"
        ) from error
