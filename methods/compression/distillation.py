"""Knowledge distillation: a narrower network of the same kind, trained anew with the given model as its teacher.
Beside the targets it learns the shares that the teacher gives to all classes, which say more than the right one.

Reference: Hinton et al. 2015, arXiv:1503.02531. Pretrained encoders keep some of their layers instead, as in DistilBERT
(Sanh et al. 2019, arXiv:1910.01108).

Limits: only where the task has a narrower network. `width` is a share of the task's own network, whatever the teacher
has become. It takes a training of its own, by default of twice the task's epochs, and each step runs the teacher too.
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
    """Trains a student of the share `width` under the given model."""

    reference: ClassVar[str] = "arXiv:1503.02531"
    changes: ClassVar[Change] = "network"

    width: float = Field(0.5, gt=0, lt=1, description="of the student's layers, as a share of the task's own network's")
    epochs: float = Field(2.0, gt=0, description="epochs trained, as a multiple of the task's")
    weight: float = Field(0.5, ge=0, le=1, description="of the teacher in the loss; the rest is the targets'")
    temperature: float = Field(2.0, gt=0, description="above 1, the teacher's smaller outputs count for more")

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        student = context.task.student(self.width)
        teacher = deepcopy(model).eval().requires_grad_(False)
        teaching = Teaching(teacher, self.weight, self.temperature)
        context.fine_tune(student, self.epochs * context.task.recipe.epochs, rate=1.0, teaching=teaching)
        return student.eval()
