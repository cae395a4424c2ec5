"""Fashion-MNIST: which of ten garments does a small grey picture show?

Data: 70,000 product photographs of an online shop, 28×28 pixels, MIT licence (Xiao, Rasul and Vollgraf, "Fashion-MNIST:
a Novel Image Dataset for Benchmarking Machine Learning Algorithms", 2017), from Debian's package, else by torchvision.
Split: the published 10,000 for testing; of the published 60,000 for training, 55,000 train and 5,000 validation, the
same for every seed.
Model: any of timm's, trained from scratch; the default is timm's smallest ResNet-D (370,000 parameters).
Metric: top-1 accuracy. Baseline: logistic regression .834, a multilayer perceptron .839 (10,000 training pictures).
Known limits: small pictures, padded to 32×32; networks made for 224×224 are down to 1×1 after their last stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure, UserError
from breakeven.task import Quality, Recipe, Task

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.datamodule import TensorDataModule


@dataclass(frozen=True)
class FashionMNIST(Task):
    """Inputs float32 [batch, 1, 32, 32], standardised; logits [batch, 10]."""

    network: str = Field("test_resnet", description="any model of timm, by its name")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Fashion-MNIST"
    domain: ClassVar[str] = "vision"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "MIT"
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.88)
    recipe: ClassVar[Recipe] = Recipe(epochs=2, batch_size=128, learning_rate=0.01, weight_decay=0.05)

    def prepare(self) -> str:
        """See `Task`."""
        return self._prepared().sha256

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.datamodule import TensorDataModule

        from .images import to_inputs

        x = self._prepared().load()
        parts = [((x[f"{part}_images"],), x[f"{part}_labels"]) for part in ("train", "val", "test")]
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed, transform=to_inputs)

    def model(self) -> nn.Module:
        """See `Task`.

        Raises:
            UserError: timm has no model of that name.
        """
        return self._network()

    def student(self, width: float) -> nn.Module:
        """See `Task`. Blocks and attention heads stay as many as they are; a plain ResNet's stem stays 64 wide."""
        from timm.models import ResNet, VisionTransformer

        network = self.model()
        if isinstance(network, ResNet):
            stem, *stages = (info["num_chs"] for info in network.feature_info)
            inner = [n // getattr(network, f"layer{i}")[0].expansion for i, n in enumerate(stages, start=1)]
            channels, stem_width = [max(1, round(width * n)) for n in inner], max(4, round(width * stem / 2))
            return self._network(channels=channels, stem_width=stem_width)
        if isinstance(network, VisionTransformer):
            heads = network.blocks[0].attn.num_heads
            return self._network(embed_dim=heads * max(1, round(width * network.embed_dim / heads)))
        reason = f"no narrower '{self.network}' is known: take a ResNet or a plain vision transformer of timm"
        raise CellFailure("unsupported", reason)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross entropy [nats]."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, target)

    def metric(self) -> Metric:
        """See `Task`."""
        from torchmetrics.classification import MulticlassAccuracy

        return MulticlassAccuracy(num_classes=10, average="micro")

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        from .images import to_inputs

        return to_inputs(self._prepared().load()["test_images"][:batch_size])

    def _network(self, **sizes: Any) -> nn.Module:
        import timm

        if not timm.is_model(self.network):
            raise UserError(f"fashion_mnist: timm has no model '{self.network}': see timm.list_models()")
        config = timm.models.get_pretrained_cfg(self.network)
        size = {"img_size": 32} if config and config.fixed_input_size else {}  # transformers have to know it
        return timm.create_model(self.network, in_chans=1, num_classes=10, **size, **sizes)

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .images import build

        return prepared(f"fashion_mnist-v{self.version}", build)
