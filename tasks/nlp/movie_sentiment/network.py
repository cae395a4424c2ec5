"""The classifier of movie reviews and its two encoders."""

from __future__ import annotations

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from breakeven.errors import CellFailure

from .._subwords import VOCABULARY
from .corpus import LENGTH, minilm_folder


class Classifier(nn.Module):
    """A linear layer on an encoder's last states, averaged over the tokens that the mask keeps."""

    def __init__(self, encoder: BertModel, classes: int = 2) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = nn.Linear(encoder.config.hidden_size, classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits [batch, classes] of ids and mask, both [batch, length]; the mask keeps at least one token."""
        # Without token types the encoder makes zeros by a gather, which the ONNX exporter complains about.
        types = torch.zeros_like(input_ids)
        states = self.encoder(input_ids, attention_mask, types).last_hidden_state
        weights = attention_mask.unsqueeze(-1).to(states.dtype)
        return self.classifier((states * weights).sum(1) / weights.sum(1))


def small(width: float = 1.0) -> Classifier:
    """Make a classifier with 2 layers of width 64.

    .5 of its .6 million parameters are embeddings, which overfit without much dropout.
    """
    heads = 4
    hidden = heads * max(1, round(16 * width))
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        num_hidden_layers=2,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
        max_position_embeddings=LENGTH,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.0,
    )
    encoder = BertModel(config, add_pooling_layer=False)
    encoder.embeddings.dropout.p = 0.5
    return Classifier(encoder)


def minilm(width: float = 1.0) -> Classifier:
    """Make a pretrained classifier with 6 layers of width 384 and 22.6 million weights.

    It has no attention dropout, for which CPUs have no fused kernel. A narrower one leaves out evenly spaced layers, as
    DistilBERT does (Sanh et al., 2019): half of its weights are embeddings, and a pretrained layer is worth more than a
    narrow new layer.

    Raises:
        CellFailure: `unsupported`, where all layers would stay.
    """
    folder = minilm_folder()
    config = BertConfig.from_json_file(folder / "config.json")
    config.attention_probs_dropout_prob = 0.0
    encoder = BertModel(config, add_pooling_layer=False)
    weights = load_file(folder / "model.safetensors")
    encoder.load_state_dict({name: weights[name] for name in encoder.state_dict()})
    layers, kept = encoder.encoder.layer, max(1, round(width * config.num_hidden_layers))
    if width < 1 and kept == config.num_hidden_layers:
        raise CellFailure("unsupported", f"at width {width:g} it would keep all of its {kept} layers: lower it")
    encoder.encoder.layer = nn.ModuleList(layers[i * len(layers) // kept] for i in range(kept))
    config.num_hidden_layers = kept
    return Classifier(encoder)
