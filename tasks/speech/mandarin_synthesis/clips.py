"""Makes ids and recorded spectra of the syllables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from breakeven.errors import UserError

from .._log_mel import padded
from .._spectra import SAMPLES, log_mel
from .._syllables import FINALS, HELD_OUT, INITIALS, TONES, Clip, obtained, parted, split

SPEAKERS = ("3", "5")
AT_ONCE = 256  # clips per computation of spectra


def build() -> dict[str, np.ndarray]:
    """Make ids and targets of each part, as `MandarinSynthesis` describes them."""
    return arrays(obtained())


def arrays(found: Sequence[Clip], held_out: dict[str, int] = HELD_OUT) -> dict[str, np.ndarray]:
    """Make the arrays of these clips."""
    ids = torch.tensor([ids_of(clip.initial, clip.final, clip.tone, clip.speaker) for clip in found])
    waveforms = torch.stack([padded(clip.audio(), SAMPLES) for clip in found])
    spectra = torch.cat([log_mel(some) for some in waveforms.split(AT_ONCE)])
    last = torch.nn.functional.pad(ids, (0, spectra.shape[2] - ids.shape[1])).unsqueeze(1)
    return parted({"ids": ids.numpy(), "target": torch.cat([spectra, last], dim=1).numpy()}, split(found, held_out))


def ids_of(initial: str, final: str, tone: int, speaker: str) -> list[int]:
    """The model's input for a syllable: the ids of initial, final, tone and speaker."""
    return [INITIALS.index(initial), FINALS.index(final), TONES.index(tone), SPEAKERS.index(speaker)]


def ids_of_text(syllable: str, speaker: str) -> list[int]:
    """The model's input for a syllable in zhuyin with its tone digit, such as `ㄏㄠ3`; the first tone needs no digit.

    Raises:
        UserError: the text is not a syllable, or the speaker is unknown.
    """
    spoken, tone = (syllable[:-1], syllable[-1]) if syllable[-1] in "1234" else (syllable, "1")
    initial = spoken[0] if spoken[:1] in INITIALS[1:] else ""
    final = spoken.removeprefix(initial)
    if not spoken or final not in FINALS or speaker not in SPEAKERS:
        raise UserError(f"'{syllable}' by speaker '{speaker}': give zhuyin such as ㄏㄠ3, and speaker 3 or 5")
    return ids_of(initial, final, int(tone), speaker)
