"""Mandarin syllables: which phones does a spoken syllable consist of?

Data: 2,334 clips (median .32 s) of 1,187 syllables with tone, by two speakers, from Debian's gcin-voice. 24 clips in
the neutral tone are left out. Licences: GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5): fetched, never redistributed.
The phones are the symbols of zhuyin: initial and final, where the syllable has them, and tone.
Split: by syllable with tone, 240 test, 120 validation, the rest training; both speakers of a syllable lie in one part.
The split is the same for every seed.
Model: convolutions over 64 log-mel bands × 10 ms and over time, then a GRU (`conv_gru`) or none (`conv`), trained from
scratch by connectionist temporal classification (Graves et al., 2006). The GRU runs forwards only, so that padding at
the end changes nothing.
Metric: phone error rate, decoded greedily; also reported: the share of syllables with any error.
Baseline: three logistic regressions, one each for initial, final and tone, .244. With seed 0 `conv_gru` reaches .087
(validation .124), `conv` .072 (.109).
Known limits: training includes a held-out syllable's other tones, and both voices. No claim of speaker independence.
Each clip holds one syllable, so the task does not cover running speech. Exporters that fix the number of a GRU's steps
accept only `conv`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.data import Source
from breakeven.task import Quality, Recipe, TensorData

from .._ctc import Recognition
from .._syllables import GCIN_VOICE

if TYPE_CHECKING:
    from torchmetrics import Metric

RECIPES = {
    "conv_gru": Recipe(epochs=30, batch_size=64, learning_rate=0.005, weight_decay=0.05),
    "conv": Recipe(epochs=30, batch_size=64, learning_rate=0.01, weight_decay=0.05),
}


@dataclass(frozen=True)
class MandarinSyllables(Recognition):
    """Frames are standardised by band. A sample has at most 64 frames.

    Classes are the blank, 21 initials, 38 finals and 4 tones; the target is int64 [batch, 3].
    """

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Mandarin syllables"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5)"
    archives: ClassVar[tuple[Source, ...]] = (GCIN_VOICE,)
    quality: ClassVar[Quality] = Quality("phone_error_rate", "errors per phone", higher_is_better=False, target=0.15)
    depth: ClassVar[int] = 3

    @property
    def recipe(self) -> Recipe:
        """The recipe of the network, chosen on the validation split."""
        return RECIPES[self.network]

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .clips import augment, build

        return TensorData(build, ("features", "lengths"), "target", augment=augment)

    def metric(self) -> Metric:
        """Phones inserted, deleted or replaced, per phone of the target."""
        from .._ctc_scores import WordErrors

        return WordErrors(self._symbols())

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from .._ctc_scores import SampleErrors

        return {"syllable_error_rate": SampleErrors(self._symbols())}

    def _symbols(self) -> tuple[str, ...]:
        from .clips import PHONES

        return tuple(f"{phone} " for phone in PHONES)  # each phone counts as a word
