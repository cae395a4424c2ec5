"""Movie reviews: is a snippet positive or negative?

Data: 10,605 snippets from rottentomatoes.com, each rated from -4 to 4 by at least 15 people (Hutto and Gilbert,
"VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", ICWSM 2014), inside the source
distribution of vaderSentiment 3.3.2. A mean rating above .5 is positive (4,982), below -.5 negative (5,061); the rest
is left out. The file is MIT-licensed; the texts belong to third parties: fetched, never redistributed.
Split: 7,607 train, 971 validation, 1,465 test, the same for every seed (`corpus.part_of`).
Model: a BERT encoder (Devlin et al., 2019), its mean, a linear layer. `small` is trained from scratch, its vocabulary
learned from the training texts; `minilm` fine-tunes all of all-MiniLM-L6-v2 (Wang et al., 2020).
Metric: top-1 accuracy. Baseline: logistic regression on TF-IDF of single words, .80: more than `small` reaches.
Known limits: inputs are cut to 48 tokens (3–4 % are longer), and padded to the longest of their batch.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Classification, Lengths, Quality, Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.data.loaders import TensorDataModule

RECIPES = {
    "small": Recipe(epochs=4, batch_size=128, learning_rate=3e-3),
    "minilm": Recipe(epochs=1, batch_size=32, learning_rate=1e-4),
}
TARGETS = {"small": 0.74, "minilm": 0.80}


@dataclass(frozen=True)
class MovieSentiment(Classification):
    """Inputs `input_ids` and `attention_mask`, int64 [batch, up to 48]; logits [batch, 2]: negative, positive."""

    encoder: Literal["small", "minilm"] = Field("small", description="small: from scratch; minilm: pretrained")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Movie review sentiment"
    domain: ClassVar[str] = "nlp"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "MIT (file); the texts belong to third parties and are fetched, not redistributed"
    classes: ClassVar[int] = 2

    lengths: ClassVar[Lengths] = Lengths("tokens", dimensions=(1, 1))

    @property
    def quality(self) -> Quality:
        """The target lies where the encoder should come with some reserve."""
        return Quality("top1_accuracy", "ratio", higher_is_better=True, target=TARGETS[self.encoder])

    @property
    def recipe(self) -> Recipe:
        """Chosen on the validation split."""
        return RECIPES[self.encoder]

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.components.lengths import trimmed
        from breakeven.data.loaders import TensorDataModule

        x = self._prepared().load()
        parts = [((x[f"{p}_input_ids"], x[f"{p}_attention_mask"]), x[f"{p}_target"]) for p in ("train", "val", "test")]
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed, transform=partial(trimmed, self))

    def model(self) -> nn.Module:
        """See `Task`."""
        from . import network

        return getattr(network, self.encoder)()

    def student(self, width: float) -> nn.Module:
        """See `Task`. `minilm` keeps its width and its pretrained weights: of its layers every `1 / width`-th stays."""
        from . import network

        return getattr(network, self.encoder)(width)

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from torchmetrics.classification import MulticlassF1Score

        return {"macro_f1": MulticlassF1Score(num_classes=2)}

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        arrays = self._prepared().load()
        return arrays["test_input_ids"][:batch_size], arrays["test_attention_mask"][:batch_size]

    def length_of(self, *inputs: Tensor) -> Tensor:
        """See `Task`."""
        return inputs[1].sum(1)

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from . import corpus

        return prepared(f"movie_sentiment-v{self.version}-{self.encoder}", getattr(corpus, f"build_{self.encoder}"))
