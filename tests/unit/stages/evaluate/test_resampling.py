"""A metric that is put together again from per-sample states equals the metric of those samples."""

import numpy as np
import pytest
import torch
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, PearsonCorrCoef
from torchmetrics.classification import BinaryAveragePrecision, MulticlassAccuracy, MulticlassF1Score
from torchmetrics.text import CHRFScore

from breakeven.stages.evaluate.resampling import Sampled

GENERATOR = torch.Generator().manual_seed(0)
LOGITS, CLASSES = torch.randn(60, 5, generator=GENERATOR), torch.randint(0, 5, (60,), generator=GENERATOR)
CHOSEN = np.random.default_rng(0).integers(0, 60, 60)  # some samples twice, some not at all


class Characters(CHRFScore):
    """A metric with a dozen states: the character F-score of numbers written out."""

    def update(self, outputs: torch.Tensor, target: torch.Tensor) -> None:
        super().update([str(x.tolist()) for x in outputs.argmax(1)], [[str(x.item())] for x in target])


METRICS = {
    "accuracy": (lambda: MulticlassAccuracy(5, average="micro"), LOGITS, CLASSES),
    "macro F1": (lambda: MulticlassF1Score(5), LOGITS, CLASSES),
    "root mean square": (lambda: MeanSquaredError(squared=False), LOGITS, LOGITS.roll(1, 0)),
    "absolute": (MeanAbsoluteError, LOGITS, LOGITS.roll(1, 0)),
    "average precision": (lambda: BinaryAveragePrecision(), LOGITS[:, 0].sigmoid(), CLASSES % 2),
    "characters": (Characters, LOGITS, CLASSES),
}


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("chosen", [range(60), CHOSEN], ids=["all", "resampled"])
def test_scores_a_selection_as_an_update_with_it_would(name: str, chosen: np.ndarray) -> None:
    make, outputs, target = METRICS[name]
    metric, sampled = make(), Sampled(make())
    metric.update(outputs[list(chosen)], target[list(chosen)])
    for at in (slice(0, 40), slice(40, 60)):
        sampled.update(outputs[at], target[at])
    assert sampled.score(chosen) == pytest.approx(metric.compute().item(), rel=1e-5)


def test_a_score_leaves_the_next_one_as_it_would_be() -> None:
    make, outputs, target = METRICS["macro F1"]
    sampled = Sampled(make())
    sampled.update(outputs, target)
    first = sampled.score(range(60))
    assert sampled.score(CHOSEN) != first
    assert sampled.score(range(60)) == first


def test_only_states_that_add_up_are_taken() -> None:
    metric: Metric = PearsonCorrCoef()
    with pytest.raises(TypeError, match=r"PearsonCorrCoef: its state '.*' is neither a sum nor a list"):
        Sampled(metric)


@pytest.mark.parametrize("name", ["accuracy", "average precision"])
def test_it_is_known_which_metrics_take_long(name: str) -> None:
    assert bool(Sampled(METRICS[name][0]()).lists) == (name == "average precision")
