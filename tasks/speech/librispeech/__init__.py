"""LibriSpeech: what is read aloud, letter by letter?

Data: read English audio books (Panayotov et al., "Librispeech: an ASR corpus based on public domain audio books", 2015;
openslr.org/12), licence CC BY 4.0, from the folder named by the environment variable BREAKEVEN_LIBRISPEECH, with
`train-clean-100/`, `dev-clean/` and `test-clean/` as the archives hold them. Its hash covers transcripts, lengths, and
the paths and sizes of the files, not the sound in them.
Split: the published one: 100.6 hours train, 5.4 validation, 5.4 test, by other speakers each. Of the training
utterances those longer than 16.7 s are left out; the others, of up to 35 s, are read whole.
Model: convolutions over 64 log-mel bands × 10 ms and over time, then two GRUs (`conv_gru`, in the manner of Deep Speech
2, Amodei et al., arXiv:1512.02595) or none (`conv`), from scratch, by connectionist temporal classification of
characters. The GRUs run forwards only, so that padding at the end changes nothing.
Metric: word error rate, decoded greedily without a language model; beside it the error rates of characters and of
utterances. Baseline: not measured here.
Published: .065 by ESPnet's Conformer with attention and beam search, trained on the same 100 hours (its recipe
librispeech_100).
Known limits: not trained here, for the project's machines reach no download: recipe and target are untested. FLAC is
read and spectra are made as they are needed, by as many threads as the profile has: training may wait for them. Which
files there are is looked up once in a process. Exporters that fix the number of a GRU's steps take `conv` alone; that
to ONNX follows every step of the longest utterance, which may take many minutes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe

from .._ctc import Recognition

if TYPE_CHECKING:
    from torch import Tensor
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.data.loaders import TensorDataModule


@dataclass(frozen=True)
class LibriSpeech(Recognition):
    """Frames are standardised by band over the utterance, up to 3,500 of them.

    Classes are the blank, space, apostrophe and A to Z; the target is int8 [batch, longest transcript].
    """

    width: int = Field(48, ge=1, le=1024, description="channels of the first layer; 8 times as many over time")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "LibriSpeech"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "CC BY 4.0"
    quality: ClassVar[Quality] = Quality("word_error_rate", "errors per word", higher_is_better=False, target=0.40)
    recipe: ClassVar[Recipe] = Recipe(epochs=20, batch_size=32, learning_rate=0.001, weight_decay=0.01)
    depth: ClassVar[int] = 5
    recurrent: ClassVar[int] = 2

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.components.lengths import trimmed
        from breakeven.data.loaders import TensorDataModule

        from .utterances import augment, part

        arrays = self._prepared().load()
        parts = [part(name, arrays) for name in ("train", "val", "test")]
        how = {"transform": partial(trimmed, self), "augment": augment}
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed, **how)

    def metric(self) -> Metric:
        """Words inserted, deleted or replaced, per word of the target."""
        from .._ctc_scores import WordErrors

        return WordErrors(self._symbols())

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from .._ctc_scores import CharacterErrors, SampleErrors

        symbols = self._symbols()
        return {"character_error_rate": CharacterErrors(symbols), "sentence_error_rate": SampleErrors(symbols)}

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        from .utterances import examples

        return examples(self._prepared().load(), batch_size)

    def _symbols(self) -> tuple[str, ...]:
        from .corpus import SYMBOLS

        return SYMBOLS

    def _prepared(self) -> Prepared:
        """Transcripts and lengths; the sound stays where it is."""
        from breakeven.data import prepared

        from .corpus import build, folder, sha256

        return prepared(f"librispeech-v{self.version}-{sha256(folder())[:12]}", build)
