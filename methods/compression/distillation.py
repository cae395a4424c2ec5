"""Knowledge distillation: trains a narrower network of the same kind from scratch, with the given model as its teacher.
Beside the targets, the student learns the probabilities that the teacher gives to all classes. They say more than the
right class alone.

Reference: Hinton et al. 2015, arXiv:1503.02531. Pretrained encoders keep some of their layers instead, as in DistilBERT
(Sanh et al. 2019, arXiv:1910.01108).

Limits: the task must have a narrower network. `width` is a share of the task's own network, even where earlier steps
have made the teacher smaller. Distillation is a whole training, by default with twice the task's epochs, and each step
runs the teacher too.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import Change, CompressionContext, CompressionMethod, Teaching

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Distillation(CompressionMethod):
    """Trains a student of `width` times the task's layers under the given model."""

    reference: ClassVar[str] = "arXiv:1503.02531"
    changes: ClassVar[Change] = "network"

    width: float = Field(0.5, gt=0, lt=1, description="width of the student's layers over the task's own network's")
    epochs: float = Field(2.0, gt=0, description="epochs trained, as a multiple of the task's")
    weight: float = Field(0.5, ge=0, le=1, description="the teacher's share of the loss; the targets have the rest")
    temperature: float = Field(2.0, gt=0, description="above 1, the teacher's smaller outputs count for more")

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        student = context.task.student(self.width)
        teacher = deepcopy(model).eval().requires_grad_(False)
        teaching = Teaching(teacher, self.weight, self.temperature)
        context.fine_tune(student, self.epochs * context.task.recipe.epochs, rate=1.0, teaching=teaching)
        return student.eval()
