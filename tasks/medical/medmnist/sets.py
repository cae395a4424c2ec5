"""MedMNIST's sets with one label per image: their contents and their addresses."""

from __future__ import annotations

from dataclasses import dataclass

from breakeven.data.published import Published

RECORD = "https://zenodo.org/records/10519652/files"  # the makers' record of version 3.0


@dataclass(frozen=True)
class Set:
    """A set, described as in its makers' package."""

    md5: str  # of the file
    channels: int  # 1 grey, 3 colour
    classes: int
    training: int  # images in the training part
    target: float  # top-1 accuracy

    def file(self, name: str) -> Published:
        """The file of the set with this name."""
        return Published(f"{RECORD}/{name}.npz?download=1", f"md5:{self.md5}")


SETS = {
    "pathmnist": Set("a8b06965200029087d5bd730944a56c1", 3, 9, 89_996, target=0.87),
    "dermamnist": Set("0744692d530f8e62ec473284d019b0c7", 3, 7, 7_007, target=0.70),
    "octmnist": Set("c68d92d5b585d8d81f7112f81e2d0842", 1, 4, 97_477, target=0.70),
    "pneumoniamnist": Set("28209eda62fecd6e6a2d98b1501bb15f", 1, 2, 4_708, target=0.82),
    "breastmnist": Set("750601b1f35ba3300ea97c75c52ff8f6", 1, 2, 546, target=0.80),
    "bloodmnist": Set("7053d0359d879ad8a5505303e11de1dc", 3, 8, 11_959, target=0.92),
    "tissuemnist": Set("ebe78ee8b05294063de985d821c1c34b", 1, 8, 165_466, target=0.62),
    "organamnist": Set("68e3f8846a6bd62f0c9bf841c0d9eacc", 1, 11, 34_561, target=0.90),
    "organcmnist": Set("b9ceb9546e10131b32923c5bbeaea2b1", 1, 11, 12_975, target=0.86),
    "organsmnist": Set("9ab87b696fb54e2a387ebe992d6ed5f1", 1, 11, 13_932, target=0.74),
}
