"""Spectra, their way back to sound, and the training losses of a vocoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from breakeven.plugins.tasks.speech import _spectra as spectra
from breakeven.plugins.tasks.speech._log_mel import HIGHEST, LOWEST
from breakeven.plugins.tasks.speech._syllables import RATE
from breakeven.plugins.tasks.speech.mandarin_vocoder import MandarinVocoder
from breakeven.plugins.tasks.speech.mandarin_vocoder.losses import Adversarial, spectral
from torch import Tensor


def wave(hertz: float, amplitude: float = 0.5) -> Tensor:
    """Make a sine wave, [1, SAMPLES]."""
    return amplitude * torch.sin(2 * torch.pi * hertz * torch.arange(spectra.SAMPLES) / RATE)[None]


def voice() -> Tensor:
    """Make harmonics of 200 Hz that swell and fade, then silence: [1, SAMPLES]."""
    loudness = torch.sin(torch.linspace(0, torch.pi, spectra.SAMPLES // 2))
    loudness = torch.cat([loudness, torch.zeros(spectra.SAMPLES // 2)])
    return loudness * sum(wave(200 * i, 0.4 / i) for i in range(1, 20))


@pytest.mark.parametrize("hertz", [250.0, 1000.0, 4000.0])
def test_a_wave_lights_up_the_band_of_its_pitch(hertz: float) -> None:
    found = spectra.log_mel(wave(hertz))
    assert found.shape == (1, spectra.BANDS, spectra.FRAMES)
    mel = [2595 * np.log10(1 + f / 700) for f in (LOWEST, hertz, HIGHEST)]
    expected = (mel[1] - mel[0]) / (mel[2] - mel[0]) * (spectra.BANDS + 1) - 1
    assert abs(found[0].mean(1).argmax().item() - expected) <= 1


def test_levels_are_decibels_above_silence() -> None:
    loud, soft = (spectra.log_mel(wave(1000, amplitude))[0, :, 30] for amplitude in (0.5, 0.05))
    assert loud.max() - soft.max() == pytest.approx(20, abs=0.1)
    assert spectra.log_mel(torch.zeros(1, spectra.SAMPLES)).max() == pytest.approx(-60, abs=0.01)


def test_griffin_lim_makes_a_spectrum_audible_again() -> None:
    wanted = spectra.log_mel(voice())
    heard = spectra.griffin_lim(wanted)
    assert heard.shape == (1, spectra.SAMPLES)
    assert torch.equal(heard, spectra.griffin_lim(wanted)), "random phases differ from call to call"
    one_round = (spectra.log_mel(spectra.griffin_lim(wanted, rounds=0)) - wanted).abs().mean()
    assert (spectra.log_mel(heard) - wanted).abs().mean() < min(2.0, 0.8 * one_round.item())


def test_the_metric_is_nought_for_the_recording_and_the_level_for_a_softer_one() -> None:
    torch.manual_seed(0)
    task, recording = MandarinVocoder(), 0.3 * torch.randn(1, spectra.SAMPLES)
    for metric in (task.metric(), *task.other_metrics().values()):
        metric.update(recording, recording)
        assert metric.compute() == 0
        metric.update(recording / 2, recording)
        assert metric.compute().item() == pytest.approx(6.02 / 2, abs=0.1)  # reduced by the floor of silence
    turned = task.metric()
    turned.update(-recording, recording)
    assert turned.compute() < 0.01, "a phase is not heard"


def test_a_new_generator_already_follows_the_spectrum() -> None:
    torch.manual_seed(0)
    model = MandarinVocoder(width=16).model().eval()
    quiet, loud = (spectra.log_mel(wave(1000, amplitude)) for amplitude in (0.02, 0.5))
    with torch.inference_mode():
        waveforms = model(torch.cat([quiet, loud]))
    assert waveforms.shape == (2, spectra.SAMPLES) and waveforms.dtype == torch.float32
    levels = spectra.log_mel(waveforms)[:, :, 10:50].mean(2)
    band = loud[0, :, 30].argmax().item()
    assert abs(levels[1].argmax().item() - band) <= 2
    assert levels[1, band] - levels[0, band] > 15


def test_a_gan_trains_both_sides_at_once() -> None:
    torch.manual_seed(0)
    task = MandarinVocoder(training="gan", width=8)
    criterion, target = task.criterion(), voice().repeat(2, 1)
    assert isinstance(criterion, Adversarial)
    outputs = (target + 0.1 * torch.randn_like(target)).requires_grad_()
    criterion(outputs, target).backward()
    assert outputs.grad is not None and outputs.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in criterion.parameters())


def test_neither_side_of_a_gan_does_the_other_s_work() -> None:
    """The discriminators' gradient comes only from telling real and generated apart, not from the generator's goal."""
    torch.manual_seed(0)
    criterion, target = Adversarial(), voice()
    outputs = torch.zeros_like(target)
    criterion(outputs, target).backward()
    together = [p.grad.clone() for p in criterion.parameters()]
    criterion.zero_grad()
    for each in criterion.discriminators:
        ((each(target)[-1] - 1).square().mean() + each(outputs)[-1].square().mean()).backward()
    alone = [p.grad for p in criterion.parameters()]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(together, alone, strict=True))


def test_what_is_trained_along_is_no_part_of_the_model() -> None:
    one, other = (MandarinVocoder(training=t, width=16).model() for t in ("spectral", "gan"))
    assert {n: p.shape for n, p in one.state_dict().items()} == {n: p.shape for n, p in other.state_dict().items()}


def test_the_loss_is_per_sample() -> None:
    target = torch.cat([voice(), wave(500)])
    found = spectral(0.5 * target, target)
    assert found.shape == (2,)
    assert found[1].item() == pytest.approx(spectral(0.5 * target[1:], target[1:]).item(), rel=1e-5)
