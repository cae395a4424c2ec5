"""Distillation: the student's architecture, its teacher, and the length of its training."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from breakeven.errors import CellFailure, UserError
from breakeven.method import CompressionContext, Teaching
from breakeven.task import Recipe
from breakeven.units import registry


class Narrow:
    """A task whose network is one hidden layer of 20."""

    recipe = Recipe(epochs=4, batch_size=8, learning_rate=0.1)

    def student(self, width: float) -> nn.Module:
        hidden = round(20 * width)
        return nn.Sequential(nn.Linear(6, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, 3))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


def distil(text: str, model: nn.Module, task: object) -> tuple[nn.Module, SimpleNamespace]:
    """Distil a model; return the student and the arguments of its fine-tuning."""
    asked = SimpleNamespace()

    def fine_tune(student: nn.Module, epochs: float, *, rate: float, teaching: Teaching) -> None:
        vars(asked).update(student=student.train(), epochs=epochs, rate=rate, teaching=teaching)

    return registry.method(text).compress(model, CompressionContext(task, 0, fine_tune, None, None)), asked


def test_a_student_of_that_width_is_trained_by_the_whole_recipe_under_the_given_model() -> None:
    model, x = nn.Sequential(nn.Linear(6, 20), nn.BatchNorm1d(20), nn.Linear(20, 3)), torch.randn(8, 6)
    model[1].running_mean.normal_()
    model.train()
    student, asked = distil("distillation-width=0.25-epochs=1.0-weight=0.7-temperature=3.0", model, Narrow())
    assert asked.student is student and not student.training
    assert [student[0].out_features, student[2].out_features] == [5, 3]
    assert (asked.epochs, asked.rate) == (4, 1.0)
    teaching = asked.teaching
    assert (teaching.weight, teaching.temperature) == (0.7, 3.0)
    assert not teaching.teacher.training and not any(p.requires_grad for p in teaching.teacher.parameters())
    assert all(p.requires_grad for p in [*model.parameters(), *student.parameters()])
    assert torch.equal(teaching.teacher(x), model.eval()(x)) and teaching.teacher is not model


def test_epochs_are_a_share_of_the_recipe_s() -> None:
    assert distil("distillation-epochs=0.5", Narrow().student(1.0), Narrow())[1].epochs == 2


def test_a_student_may_teach_the_next() -> None:
    first, _ = distil("distillation-width=0.5", Narrow().student(1.0), Narrow())
    second, asked = distil("distillation-width=0.2", first, Narrow())
    assert (asked.teaching.teacher[0].out_features, second[0].out_features) == (10, 4)


@pytest.mark.parametrize("text", ["distillation-width=1.0", "distillation-weight=1.1", "distillation-temperature=0.0"])
def test_parameters_are_checked(text: str) -> None:
    with pytest.raises(UserError, match=text.split("-")[1].split("=")[0]):
        registry.method(text)


def channels(model: nn.Module) -> list[int]:
    return [m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d)]


@pytest.mark.parametrize("network", ["test_resnet", "resnet18", "resnet26t", "resnext50_32x4d"])
def test_a_resnet_s_student_has_half_its_channels(network: str) -> None:
    task = registry.task(f"fashion_mnist-network={network}")
    whole, half = task.model(), task.student(0.5)
    stages = [(getattr(whole, name), getattr(half, name)) for name in ("layer1", "layer2", "layer3", "layer4")]
    for wide, narrow in (pair for stage in stages for pair in zip(*stage, strict=True)):
        wide.downsample = narrow.downsample = None  # the student has one more where its stem keeps a fixed width
        assert channels(narrow) == [n // 2 for n in channels(wide)]
    share = 0.5 if isinstance(whole.conv1, nn.Sequential) else 1.0
    assert channels(half.conv1) == [n * share for n in channels(whole.conv1)]


def test_a_vision_transformer_s_student_has_half_its_width() -> None:
    task = registry.task("fashion_mnist-network=vit_tiny_patch16_224")
    whole, half = task.model(), task.student(0.5)
    assert (half.embed_dim, half.blocks[0].mlp.fc1.out_features) == (96, 384)
    assert len(half.blocks) == len(whole.blocks) and half.blocks[0].attn.num_heads == whole.blocks[0].attn.num_heads
    assert half(*task.example_inputs(2)).shape == (2, 10)


def test_a_network_that_no_narrower_one_is_known_of_says_so() -> None:
    with pytest.raises(CellFailure, match="no narrower 'mobilenetv3_small_050' is known: take") as failure:
        registry.task("fashion_mnist-network=mobilenetv3_small_050").student(0.5)
    assert failure.value.status == "unsupported"


def test_the_small_encoder_s_student_has_half_its_width() -> None:
    encoder = registry.task("movie_sentiment").student(0.5).encoder
    config = encoder.config
    assert (config.hidden_size, config.intermediate_size, config.num_attention_heads) == (32, 128, 4)
    assert encoder.embeddings.dropout.p == 0.5


def test_minilm_s_student_keeps_every_other_pretrained_layer() -> None:
    task = registry.task("movie_sentiment-encoder=minilm")
    whole, half = task.model().encoder, task.student(0.5).encoder
    assert half.config.num_hidden_layers == len(half.encoder.layer) == 3
    for kept, layer in zip((0, 2, 4), half.encoder.layer, strict=True):
        expected = whole.encoder.layer[kept].state_dict()
        assert all(torch.equal(x, expected[name]) for name, x in layer.state_dict().items())


def test_the_speech_student_has_half_the_channels() -> None:
    assert channels(registry.task("mandarin_initials-width=6").student(0.5)) == [3, 6, 12, 24]
