"""Explains missing weights of timm in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import timm

from breakeven.errors import UserError


@contextmanager
def timms_weights(name: str, wanted: bool) -> Iterator[None]:
    """Wrap the creation of a timm network, and turn the errors of missing weights into a `UserError`.

    Args:
        name: the network's name.
        wanted: the network is to have pretrained weights.

    Raises:
        UserError: timm has no weights for the network, or they could not be downloaded.
    """
    if wanted and timm.is_model(name) and not timm.models.is_model_pretrained(name):
        raise UserError(f"timm has no weights for '{name}': take pretrained=False, or a network with weights")
    try:
        yield
    except OSError as error:  # the base of the hub's own errors
        said = str(error).strip().splitlines()[0]
        raise UserError(
            f"timm's weights for '{name}' could not be had ({said}): give this machine access to huggingface.co, or "
            "copy its cache ($HF_HOME) from one that has them, or take pretrained=False"
        ) from error
