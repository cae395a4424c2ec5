"""Networks that image tasks share: any of timm's, a plain CNN, and U-Nets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
from timm.models import ResNet, VisionTransformer
from torch import nn

from breakeven.errors import CellFailure, UserError

PLAIN = "plain_cnn"
CHANNELS = (32, 64, 128)  # outputs of the plain CNN's convolutions
DENSE = 256  # outputs of the plain CNN's hidden dense layer
DECODER = (64, 48, 32, 24, 16)  # channels of a U-Net's decoder blocks, the coarsest first
TRANSFORMERS = ["vision_transformer", "deit"]  # timm's modules whose networks take patches of any size
SMALL = 32  # pixels: two patches of 16 pixels in a row


class PlainCNN(nn.Sequential):
    """Three 3×3 convolutions, each followed by 2×2 max pooling, and two dense layers; no normalisation.

    It takes images, float32 [batch, channels, size, size], and gives logits, float32 [batch, classes].

    Args:
        channels: channels of the images.
        classes: number of classes.
        size: width and height of the images [pixels], at least 8.
        width: factor on the width of its hidden layers.
    """

    def __init__(self, channels: int, classes: int, size: int, width: float = 1.0) -> None:
        layers: list[nn.Module] = []
        for wide in (_scaled(n, width) for n in CHANNELS):
            layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            channels = wide
        flat, dense = channels * (size // 2 ** len(CHANNELS)) ** 2, _scaled(DENSE, width)
        super().__init__(*layers, nn.Flatten(), nn.Linear(flat, dense), nn.ReLU(), nn.Linear(dense, classes))


def image_classifier(
    name: str, channels: int, classes: int, size: int, options: Mapping[str, Any] | None = None
) -> nn.Module:
    """Make a new network: images, float32 [batch, channels, size, size], to logits [batch, classes].

    For images smaller than 32 pixels, a vision transformer's patches are half the image wide, whatever its name says.

    Args:
        name: the name of one of timm's networks, or `plain_cnn`.
        channels: channels of the images.
        classes: number of classes.
        size: width and height of the images [pixels].
        options: options that `narrower` returned, or other arguments of the network.

    Raises:
        UserError: there is no network of that name.
    """
    if name == PLAIN:
        return PlainCNN(channels, classes, size, **(options or {}))
    if not timm.is_model(name):
        raise UserError(f"timm has no model '{name}': see timm.list_models(), or take {PLAIN}")
    given = {**_sized(name, size), **(options or {})}
    return timm.create_model(name, in_chans=channels, num_classes=classes, **given)


def unet(encoder: str, channels: int, classes: int, width: float = 1.0) -> nn.Module:
    """Make a new U-Net (Ronneberger et al. 2015, arXiv:1505.04597).

    It takes images, float32 [batch, channels, height, width], height and width multiples of 32, and gives logits
    [batch, classes, height, width].

    Args:
        encoder: the name of one of timm's networks with features at five scales.
        channels: channels of the images.
        classes: number of classes.
        width: factor on the width of its layers.

    Raises:
        UserError: timm has no network of that name.
        CellFailure: `unsupported`, where no narrower form of the encoder is known.
    """
    from segmentation_models_pytorch import Unet

    require_timm(encoder)
    sizes = narrower(timm.create_model(encoder), width) if width != 1 else {}
    how = {"in_channels": channels, "classes": classes, "decoder_channels": [_scaled(n, width) for n in DECODER]}
    return Unet(f"tu-{encoder}", encoder_weights=None, **how, **sizes)


def require_timm(name: str) -> None:
    """Check that timm has a network of that name.

    Raises:
        UserError: timm has none.
    """
    if not timm.is_model(name):
        raise UserError(f"timm has no model '{name}': see timm.list_models()")


def narrower(network: nn.Module, width: float) -> dict[str, Any]:
    """Return options of `image_classifier` and of timm for the same network with layers about `width` times as wide.

    The number of blocks and of attention heads stays; a plain ResNet's stem stays 64 channels wide.

    Raises:
        CellFailure: `unsupported`, where no narrower form of the network is known.
    """
    timms: Any = network  # torch types its attributes as tensors or modules, which these are not
    if isinstance(network, PlainCNN):
        return {"width": width}
    if isinstance(network, ResNet):
        stem, *stages = (info["num_chs"] for info in timms.feature_info)
        inner = [n // getattr(timms, f"layer{i}")[0].expansion for i, n in enumerate(stages, start=1)]
        return {"channels": [_scaled(n, width) for n in inner], "stem_width": max(4, round(width * stem / 2))}
    if isinstance(network, VisionTransformer):
        heads = timms.blocks[0].attn.num_heads
        return {"embed_dim": heads * _scaled(timms.embed_dim / heads, width)}
    name = getattr(timms, "pretrained_cfg", {}).get("architecture", type(network).__name__)
    reason = f"no narrower '{name}' is known: take {PLAIN}, or a ResNet or a plain vision transformer of timm"
    raise CellFailure("unsupported", reason)


def _scaled(n: float, width: float) -> int:
    return max(1, round(width * n))


def _sized(name: str, size: int) -> dict[str, Any]:
    """Return the options by which a transformer learns the size of its images."""
    config = timm.models.get_pretrained_cfg(name)
    options: dict[str, Any] = {"img_size": size} if config and config.fixed_input_size else {}
    if timm.models.is_model_in_modules(name, TRANSFORMERS):
        options["dynamic_img_size"] = False  # else some exports interpolate positions, which no runtime can
        if size < SMALL:
            options["patch_size"] = size // 2
    return options
