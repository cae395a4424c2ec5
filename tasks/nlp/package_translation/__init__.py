"""Debian translations: what does a sentence of a package's description say in French, or in German?

Data: pairs of sentences from the translated package descriptions in the package indexes of Debian 12, its main archive:
paragraphs, then sentences, aligned where their numbers agree and neither sentence is twice as long as the other.
Licence: none is stated for the descriptions: fetched, not redistributed. The indexes change with every point release
and cannot be pinned: the hash of what was prepared tells them apart.
Split: by source package, no English sentence twice: to French 28,572 train, 128 validation, 512 test; to German 22,958
train. Only pairs of at most 24 subwords of a vocabulary of 4,000, learned from both languages together.
Model: a transformer of two encoder and two decoder layers, 96 features, from scratch; attention to other places falls
with distance, as in ALiBi. Greedy decoding, which calls the whole model once for every subword.
Metric: chrF of the whole corpus, by sacrebleu; beside it BLEU. To French, seed 0: .442 (validation .475), BLEU .178;
to German .407 (.396).
Baseline: the English source handed back as it is, to French chrF .312 (validation .317), BLEU .051.
Known limits: short, formulaic sentences of one field, with one reference each; packages of different sources may still
share phrases. The training is short: names and rare words are often garbled.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Lengths, Quality, Recipe, Task

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.data.loaders import TensorDataModule


@dataclass(frozen=True)
class PackageTranslation(Task):
    """Inputs `source_ids` and `prefix_ids`, int64 [batch, length], padded with 0; logits [batch, length, 4000]."""

    target: Literal["fr", "de"] = Field("fr", description="the language to translate to, from English")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Debian translations"
    domain: ClassVar[str] = "nlp"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "none stated for the descriptions (Debian main): fetched, not redistributed"
    quality: ClassVar[Quality] = Quality("chrf", "ratio", higher_is_better=True, target=0.43)
    recipe: ClassVar[Recipe] = Recipe(epochs=1, batch_size=32, learning_rate=8e-3)
    lengths: ClassVar[Lengths] = Lengths(unit="subwords", dimensions=(1, 1), multiple=4)

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.components.lengths import trimmed
        from breakeven.data.loaders import TensorDataModule

        x = self._prepared().load()
        parts = [((x[f"{p}_source"], x[f"{p}_prefix"]), x[f"{p}_target"]) for p in ("train", "val", "test")]
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed, transform=partial(trimmed, self))

    def length_of(self, *inputs: Tensor) -> Tensor:
        """See `Task`. Of source and prefix, [batch, 2]."""
        from torch import stack

        return stack([(x != 0).sum(1) for x in inputs], dim=1)

    def model(self) -> nn.Module:
        """See `Task`."""
        return self.student(1.0)

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        from .network import translator

        return translator(width)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross entropy [nats/subword] of each sentence; the mean over sentences."""
        from torch.nn.functional import cross_entropy

        target = target[:, : outputs.shape[1]]  # a batch is cut to its longest sentence
        losses = cross_entropy(outputs.flatten(0, 1), target.flatten(), reduction="none").unflatten(0, target.shape)
        return (losses.sum(1) / (target != -100).sum(1)).mean()

    def distillation_loss(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """See `Task`."""
        return Task.distillation_loss(self, outputs.flatten(0, 1), taught.flatten(0, 1), temperature)

    def predict(self, model: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """Ids int64 [batch, 24] of the likeliest next subword, again and again, from the first of the prefix on."""
        from .decoding import greedy

        return greedy(model, *inputs)

    def metric(self) -> Metric:
        """The chrF of the whole corpus."""
        from .scores import chrf

        return chrf(self._tokenizer())

    def other_metrics(self) -> dict[str, Metric]:
        """The BLEU of the whole corpus."""
        from .scores import bleu

        return {"bleu": bleu(self._tokenizer())}

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        x = self._prepared().load()
        return x["test_source"][:batch_size], x["test_prefix"][:batch_size]

    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self._prepared().load()["tokenizer"].numpy().tobytes().decode())

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from . import corpus

        key = f"package_translation-v{self.version}-{self.target}"
        return prepared(key, getattr(corpus, f"build_{self.target}"))
