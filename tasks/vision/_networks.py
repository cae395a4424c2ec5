"""What tasks with models of timm share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timm.models import ResNet


def narrower(network: ResNet, width: float) -> dict[str, Any]:
    """The options with which timm makes the same ResNet with layers about `width` times as wide.

    Its blocks stay as many as they are, a plain ResNet's stem stays 64 wide.
    """
    stem, *stages = (info["num_chs"] for info in network.feature_info)
    inner = [n // getattr(network, f"layer{i}")[0].expansion for i, n in enumerate(stages, start=1)]
    return {"channels": [max(1, round(width * n)) for n in inner], "stem_width": max(4, round(width * stem / 2))}
