"""MovieLens ranking: which of a hundred films will a user watch next?

Data: MovieLens-100k, 100,000 ratings by 943 users of 1,682 films (Harper and Konstan, "The MovieLens Datasets: History
and Context", ACM TiiS 5(4), 2015), from RecBole's wheel, else from GroupLens. A rating counts as watched, whatever its
stars. GroupLens' terms: research use, no redistribution: fetched, never committed.
Split: each user's last film tests, the last but one validates, all before train; of films rated in the same second,
as the last two of 44 % of the users, chance says which was last. A film to find lies among 99 that the user never
rated, the same for every seed: 943 users each for validation and test, 5,359 samples for training.
Model: neural matrix factorisation (He et al., "Neural Collaborative Filtering", WWW 2017). A training sample is a user
with up to 20 films watched and as many others, drawn anew for every batch, as make 100.
Metric: hit rate at 10, the share of users whose film is among their first ten (HR@10); beside it NDCG@10. Reached: .644
and .374 (seed 0).
Baseline: films by how many watched them in training, on the same candidates: HR@10 .415, NDCG@10 .225.
For orientation: HR@10 of .73 on MovieLens-1M by the same protocol (He et al.).
Known limits: with 99 drawn negatives figures are higher than over all films, and may order models otherwise (Krichene
and Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020). Users rate many films within a minute.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe, Task

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.data.loaders import TensorDataModule


@dataclass(frozen=True)
class MovieLensRanking(Task):
    """Inputs `users` int64 [batch] and `candidates` int64 [batch, 100], counted from 0; scores float32 [batch, 100]."""

    width: int = Field(32, ge=1, le=4096, description="length of the embeddings; the perceptron's layers are as wide")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "MovieLens ranking"
    domain: ClassVar[str] = "recommendation"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "GroupLens' terms: research use, no redistribution"
    quality: ClassVar[Quality] = Quality("hit_rate_at_10", "ratio", higher_is_better=True, target=0.55)
    recipe: ClassVar[Recipe] = Recipe(epochs=20, batch_size=64, learning_rate=0.01, weight_decay=0.3)

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.data.loaders import TensorDataModule

        from .negatives import draw, unwatched

        x = self._prepared().load()
        parts = [((x[f"{p}_users"], x[f"{p}_candidates"]), x[f"{p}_watched"]) for p in ("train", "val", "test")]
        augment = partial(draw, unwatched(x["train_users"], x["train_candidates"]))
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed, augment=augment)

    def model(self) -> nn.Module:
        """See `Task`."""
        from .network import RankingNetwork

        return RankingNetwork(self.width)

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        return replace(self, width=max(1, round(width * self.width))).model()

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross entropy [nats] between the softmax over a user's candidates and an equal share for all they watched."""
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

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        arrays = self._prepared().load()
        return arrays["test_users"][:batch_size], arrays["test_candidates"][:batch_size]

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .parts import build

        return prepared(f"movielens_ranking-v{self.version}", build)
