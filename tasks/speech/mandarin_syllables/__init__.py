"""Mandarin syllables: which phones does a spoken syllable consist of?

Data: 2,334 clips (median .32 s) of 1,187 syllables with tone, by two speakers, from Debian's gcin-voice, its 24 clips
in the neutral tone left out. Licences: GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5): fetched, never redistributed.
The phones are what zhuyin writes: initial, final and tone, the first two where it has them.
Split: by syllable, 240 test, 120 validation, the rest training, both speakers together, the same for every seed.
Model: a convolutional network over 64 log-mel bands × 10 ms, from scratch, by connectionist temporal classification
(Graves et al., 2006). No recurrent layer: exporters unroll one to a fixed number of frames.
Metric: phone error rate, decoded greedily; beside it the share of syllables with any error.
Baseline: three logistic regressions, one each for initial, final and tone, .244. This network reaches .072
(validation: .109).
Known limits: a held-out syllable's other tones, and both voices, occur in training: no claim of speaker independence.
One syllable at a time is said, so that nothing is learned of running speech.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Lengths, Quality, Recipe, Task

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.datamodule import TensorDataModule


@dataclass(frozen=True)
class MandarinSyllables(Task):
    """Inputs float32 [batch, 1, 64, frames], standardised log-mel energies, and their frames int64 [batch], at most 64.

    Outputs log-probabilities [batch, frames / 2, 64]: of the blank, then of 21 initials, 38 finals and 4 tones. The
    target, int64 [batch, 3], is padded with -1.
    """

    width: int = Field(16, ge=1, le=1024, description="channels of the first layer; the last ones have 8 times as many")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Mandarin syllables"
    domain: ClassVar[str] = "speech"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5)"
    quality: ClassVar[Quality] = Quality("phone_error_rate", "errors per phone", higher_is_better=False, target=0.15)
    recipe: ClassVar[Recipe] = Recipe(epochs=30, batch_size=64, learning_rate=0.01, weight_decay=0.05)
    lengths: ClassVar[Lengths] = Lengths("frames of 10 ms", dimensions=(3, None), multiple=4)

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.datamodule import TensorDataModule
        from breakeven.lengths import trimmed

        from .clips import augment

        x = self._prepared().load()
        parts = [((x[f"{p}_features"], x[f"{p}_lengths"]), x[f"{p}_target"]) for p in ("train", "val", "test")]
        how = {"transform": partial(trimmed, self), "augment": augment}
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed, **how)

    def model(self) -> nn.Module:
        """See `Task`."""
        from .network import Reader

        return Reader(self.width)

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        return replace(self, width=max(1, round(width * self.width))).model()

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Connectionist temporal classification [nats]; outputs beyond a clip's end are blank for certain."""
        from torch.nn.functional import ctc_loss

        times = target.new_full(target.shape[:1], outputs.shape[1])
        how = {"reduction": "none", "zero_infinity": True}
        return ctc_loss(outputs.transpose(0, 1), target.clamp(min=0), times, (target >= 0).sum(1), **how).mean()

    def distillation_loss(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """See `Task`, at every output."""
        return super().distillation_loss(outputs.transpose(1, 2), taught.transpose(1, 2), temperature)

    def metric(self) -> Metric:
        """See `Task`."""
        from .scores import PhoneErrorRate

        return PhoneErrorRate()

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from .scores import SyllableErrorRate

        return {"syllable_error_rate": SyllableErrorRate()}

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        arrays = self._prepared().load()
        return arrays["test_features"][:batch_size], arrays["test_lengths"][:batch_size]

    def length_of(self, *inputs: Tensor) -> Tensor:
        """See `Task`."""
        return inputs[1]

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .clips import build

        return prepared(f"mandarin_syllables-v{self.version}", build)
