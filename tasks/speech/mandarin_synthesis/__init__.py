"""Mandarin synthesis: how does a syllable sound that nobody says in the training data?

Data: 2,334 clips (median .32 s) of 1,187 syllables with tone, by two speakers, from Debian's gcin-voice. 24 clips in
the neutral tone are left out. Licences: GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5): fetched, never redistributed.
Split: by syllable with tone, 240 test (470 clips), 120 validation, the rest training; both speakers of a syllable lie
in one part. The split is the same for every seed. No test syllable occurs with its tone in training.
Model: embeddings of initial, final, tone and speaker, then transposed convolutions from 8 to 64 frames of 10 ms.
Metric: mean absolute difference of the log-mel spectra [dB], including the silence that pads the clips; 2.14 here. Also
reported: how often a recogniser, trained once on the recordings, hears the right initial, final and tone. It does in
.87, .87 and .97 of the test recordings, in .60, .60 and .98 of this model's spectra, and nearly as often after
Griffin-Lim. `python -m breakeven.plugins.tasks.speech.mandarin_synthesis.listen` makes a WAV file.
Baseline: the mean training spectrum 5.28 dB, its median 4.91, the median of the same final, tone and speaker 3.24.
Known limits: each speaker said a syllable once. The model draws the average of all possible sounds, so initials blur.
Training includes a held-out syllable's other tones. Nobody has judged the sound by ear.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.data import Source
from breakeven.task import Quality, Recipe, TensorData, TensorTask

from .._syllables import GCIN_VOICE

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data import Prepared


@dataclass(frozen=True)
class MandarinSynthesis(TensorTask):
    """Inputs int64 [batch, 4]: initial, final, tone, speaker; outputs float32 [batch, 80, 64]: log-mel spectra [dB].

    The target float32 [batch, 81, 64] is the recorded spectrum, with the four ids in a last row.
    """

    width: int = Field(
        default=128, ge=4, le=1024, description="channels of the decoder's finest layers; coarser layers have 2x"
    )

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Mandarin synthesis"
    domain: ClassVar[str] = "speech"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5)"
    archives: ClassVar[tuple[Source, ...]] = (GCIN_VOICE,)
    quality: ClassVar[Quality] = Quality("log_mel_distance", "dB", higher_is_better=False, target=2.5)
    recipe: ClassVar[Recipe] = Recipe(epochs=30, batch_size=32, learning_rate=0.003)

    def prepare(self) -> str:
        """See `Task`. This makes the recogniser too. The hash is that of the data alone."""
        self._recogniser()
        return super().prepare()

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .clips import build

        return TensorData(build, ("ids",), "target")

    def model(self) -> nn.Module:
        """See `Task`."""
        from .network import Decoder

        return Decoder(self.width)

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        return replace(self, width=max(4, round(width * self.width))).model()

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Mean absolute difference of the spectra [dB]."""
        return (outputs - target[:, : outputs.shape[1]]).abs().mean()

    def distillation_loss(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """The loss, with the teacher's spectra as the target. The temperature has no effect."""
        return self.loss(outputs, taught)

    def metric(self) -> Metric:
        """See `Task`."""
        from .recogniser import LogMelDistance

        return LogMelDistance()

    def other_metrics(self) -> dict[str, Metric]:
        """The share of samples in which the recogniser hears the right initial, final and tone (0 to 1)."""
        from .recogniser import Recognised

        weights = self._recogniser().load()
        names = ("initials_recognised", "finals_recognised", "tones_recognised")
        return {name: Recognised(weights, heard) for heard, name in enumerate(names)}

    def _recogniser(self) -> Prepared:
        from breakeven.data import prepared

        from .recogniser import build

        return prepared(self._key("recogniser"), build, self.archives)
