"""LibriSpeech: what is read aloud, letter by letter?

Data: read English audio books (Panayotov et al., "Librispeech: an ASR corpus based on public domain audio books", 2015;
openslr.org/12), licence CC BY 4.0. The environment variable BREAKEVEN_LIBRISPEECH names a folder with
`train-clean-100/`, `dev-clean/` and `test-clean/`, as in the archives. The data's hash covers transcripts, lengths, and
the paths and sizes of the files, but not the sound in them.
Split: the published one: 100.6 hours train, 5.4 hours validation, 5.4 hours test, each with other speakers. Training
utterances longer than 16.7 s are left out. Other parts keep all utterances, up to 35 s.
Model: convolutions over 64 log-mel bands × 10 ms and over time, then two GRUs (`conv_gru`, in the manner of Deep Speech
2, Amodei et al., arXiv:1512.02595) or none (`conv`), trained from scratch by connectionist temporal classification of
characters. The GRUs run forwards only, so that padding at the end changes nothing.
Metric: word error rate, decoded greedily without a language model; also reported: the error rates of characters and of
utterances. Baseline: not measured here.
Published: .065 by ESPnet's Conformer with attention and beam search, trained on the same 100 hours (its recipe
librispeech_100).
Known limits: not trained here, since the project's machines cannot download the data. Recipe and target are untested.
FLAC files are read and spectra are made when they are needed, by as many threads as the profile has, so training may
wait for them. Each process lists the files once. Exporters that fix the number of a GRU's steps accept only `conv`. The
export to ONNX follows each step of the longest utterance, which may take many minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Part, Quality, Recipe, TensorData

from .._ctc import Recognition

if TYPE_CHECKING:
    from torch import Tensor
    from torchmetrics import Metric

    from breakeven.data.loaders import Batch


@dataclass(frozen=True)
class LibriSpeech(Recognition):
    """Frames are standardised by band over the utterance. A sample has up to 3,500 frames.

    Classes are the blank, space, apostrophe and A to Z; the target is int8 [batch, longest transcript].
    """

    width: int = Field(
        48, ge=1, le=1024, description="channels of the first layer; layers over time have 8 times as many"
    )

    version: ClassVar[int] = 1
    title: ClassVar[str] = "LibriSpeech"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "CC BY 4.0"
    quality: ClassVar[Quality] = Quality("word_error_rate", "errors per word", higher_is_better=False, target=0.40)
    recipe: ClassVar[Recipe] = Recipe(epochs=20, batch_size=32, learning_rate=0.001, weight_decay=0.01)
    depth: ClassVar[int] = 5
    recurrent: ClassVar[int] = 2

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .corpus import build, folder, sha256
        from .utterances import augment

        return TensorData(build, variant=sha256(folder())[:12], augment=augment)

    def samples(self, arrays: dict[str, Tensor], part: Part) -> Batch:
        """See `TensorTask`. The sound stays in its files, and is read when it is needed."""
        from .utterances import samples

        return samples(arrays, part)

    def metric(self) -> Metric:
        """Words inserted, deleted or replaced, per word of the target."""
        from .._ctc_scores import WordErrors

        return WordErrors(self._symbols())

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from .._ctc_scores import CharacterErrors, SampleErrors

        symbols = self._symbols()
        return {"character_error_rate": CharacterErrors(symbols), "sentence_error_rate": SampleErrors(symbols)}

    def _symbols(self) -> tuple[str, ...]:
        from .corpus import SYMBOLS

        return SYMBOLS
