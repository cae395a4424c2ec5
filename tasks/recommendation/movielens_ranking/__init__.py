"""MovieLens ranking: which of a hundred films will a user watch next?

Data: MovieLens-100k, 100,000 ratings by 943 users of 1,682 films (Harper and Konstan, "The MovieLens Datasets: History
and Context", ACM TiiS 5(4), 2015), from RecBole's wheel, else from GroupLens. Each rating counts as a film watched,
with any number of stars. GroupLens' terms allow research use and no redistribution: fetched, never committed.
Split: the last film of each user is for testing, the one before it for validation, all earlier films for training. The
last two films of 44 % of the users were rated in the same second; then chance decides which was last. The film to find
lies among 99 films that the user never rated, the same for every seed: 943 users each for validation and test, 5,359
samples for training.
Model: neural matrix factorisation (He et al., "Neural Collaborative Filtering", WWW 2017). A training sample is a user
with 100 films: up to 20 watched films, and others that are drawn anew for each batch.
Metric: hit rate at 10 (HR@10), the share of users whose film is among their first ten; also reported: NDCG@10. Reached:
.644 and .374 (seed 0).
Baseline: films ordered by their number of watchers in training, on the same candidates: HR@10 .415, NDCG@10 .225.
For orientation: HR@10 of .73 on MovieLens-1M by the same protocol (He et al.).
Known limits: with 99 drawn negatives, figures are higher than over all films and may rank models differently (Krichene
and Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020). Users rate many films within a minute.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.data import Source
from breakeven.task import Quality, Recipe, TensorData, TensorTask

from .._movielens import RECBOLE

if TYPE_CHECKING:
    from pytorch_lightning import LightningDataModule
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data.loaders import TensorDataModule


@dataclass(frozen=True)
class MovieLensRanking(TensorTask):
    """Inputs `users` int64 [batch] and `candidates` int64 [batch, 100], counted from 0; scores float32 [batch, 100].

    The target is bool [batch, 100], true for films watched.
    """

    width: int = Field(32, ge=1, le=4096, description="length of the embeddings; the perceptron's layers are as wide")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "MovieLens ranking"
    domain: ClassVar[str] = "recommendation"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "GroupLens' terms: research use, no redistribution"
    archives: ClassVar[tuple[Source, ...]] = (RECBOLE,)
    quality: ClassVar[Quality] = Quality("hit_rate_at_10", "ratio", higher_is_better=True, target=0.55)
    recipe: ClassVar[Recipe] = Recipe(epochs=20, batch_size=64, learning_rate=0.01, weight_decay=0.3)

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .parts import build

        return TensorData(build, ("users", "candidates"), "watched")

    def datamodule(self, seed: int) -> LightningDataModule:
        """See `Task`. Each training batch draws the films that its users did not watch."""
        from .negatives import draw, unwatched

        module = cast("TensorDataModule", super().datamodule(seed))
        (users, candidates), _ = module.train
        module.augment = partial(draw, unwatched(users, candidates))
        return module

    def model(self) -> nn.Module:
        """See `Task`."""
        from .network import RankingNetwork

        return RankingNetwork(self.width)

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        return replace(self, width=max(1, round(width * self.width))).model()

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross entropy [nats] of the softmax over a user's candidates, with an equal share for each film watched."""
        from torch.nn.functional import cross_entropy

        watched = target.to(outputs.dtype)
        return cross_entropy(outputs, watched / watched.sum(1, keepdim=True))

    def metric(self) -> Metric:
        """See `Task`."""
        from torchmetrics.functional.retrieval import retrieval_hit_rate

        from .metrics import MeanOverUsers

        return MeanOverUsers(retrieval_hit_rate)

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from torchmetrics.functional.retrieval import retrieval_normalized_dcg

        from .metrics import MeanOverUsers

        return {"ndcg_at_10": MeanOverUsers(retrieval_normalized_dcg)}
