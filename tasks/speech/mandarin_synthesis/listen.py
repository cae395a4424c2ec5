"""Writes the speech of a trained model to a WAV file.

python -m breakeven.plugins.tasks.speech.mandarin_synthesis.listen MODEL.pt OUT.wav --say "ㄋㄧ3 ㄏㄠ3"
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import soundfile
import torch
import typer
from torch import Tensor, nn

from breakeven.data import file_sha256
from breakeven.errors import UserError

from .._spectra import griffin_lim
from .._syllables import RATE
from .clips import ids_of_text

PEAK = 0.9  # of full scale


def listen(
    model: Annotated[Path, typer.Argument(help="A model.pt of mandarin_synthesis, in the folder of its training.")],
    out: Annotated[Path, typer.Argument(help="The WAV file to write.")],
    say: Annotated[str, typer.Option(help="Syllables in zhuyin, each with tone 2, 3, 4 or none.")] = "ㄋㄧ3 ㄏㄠ3",
    speaker: Annotated[str, typer.Option(help="Whose voice: 3 or 5.")] = "3",
    vocoder: Annotated[Path | None, typer.Option(help="A model.pt of mandarin_vocoder; Griffin-Lim without.")] = None,
) -> None:
    """Speak the syllables, one after the other."""
    ids = torch.tensor([ids_of_text(syllable, speaker) for syllable in say.split()])
    with torch.inference_mode():
        spectra = trusted(model)(ids)
        waveforms = trusted(vocoder)(spectra) if vocoder else griffin_lim(spectra)
    write(waveforms.flatten(), out)


def trusted(path: Path) -> nn.Module:
    """Load a model of this pipeline. Loading a file runs code, so it must be the file that its record names.

    Raises:
        UserError: there is no such file, or the record names another file.
    """
    record = path.parent / "artifact.json"
    if not record.is_file() or not path.is_file():
        raise UserError(f"{path}: no model with its artifact.json beside it: name a model.pt that a training left")
    if file_sha256(path) != json.loads(record.read_text())["sha256"]:
        raise UserError(f"{path}: not the file that {record} names: train again")
    return torch.load(path, weights_only=False, map_location="cpu").eval()


def write(waveform: Tensor, path: Path) -> None:
    """Write a WAV file of 16 bits, whole or not at all.

    Raises:
        UserError: the folder does not exist.
    """
    if not path.parent.is_dir():
        raise UserError(f"{path.parent}: no such folder: make it first")
    loud = waveform * (PEAK / waveform.abs().max().clamp(min=1e-6))
    with TemporaryDirectory(dir=path.parent) as folder:
        aside = Path(folder) / "aside.wav"
        soundfile.write(aside, loud.numpy(), RATE)
        aside.replace(path)


if __name__ == "__main__":
    try:
        typer.run(listen)
    except UserError as error:
        sys.exit(f"listen: {error}")
