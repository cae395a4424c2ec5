"""Chooses which tensors are rounded, and how: the layout that ONNX Runtime has integer kernels for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import (
    FakeQuantize,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
)
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
    SharedQuantizationSpec,
)

aten = torch.ops.aten
CONVOLUTIONS = {aten.conv1d.default, aten.conv2d.default, aten.conv1d.padding, aten.conv2d.padding}
RELUS = {aten.relu.default, aten.relu_.default}
SUMS = {aten.add.Tensor, aten.add_.Tensor}
AVERAGES = {aten.adaptive_avg_pool2d.default, aten.avg_pool2d.default}
MOVES = {aten.max_pool2d.default, aten.flatten.using_ints}  # their outputs are numbers of their inputs
THIN = (4, 32)  # input and output channels: smaller convolutions are slower in 8 bits, see int8_static
DROPOUTS = {aten.dropout.default, aten.dropout_.default}
KEY = "quantization_annotation"  # the key in a node's `meta` that torchao reads

ACTIVATION = QuantizationSpec(
    torch.uint8, FakeQuantize.with_args(observer=MovingAverageMinMaxObserver), 0, 255, torch.per_tensor_affine
)
# The weights themselves are at hand when they are rounded, so their range is the current one, not an average.
ROWS = FakeQuantize.with_args(observer=MovingAveragePerChannelMinMaxObserver, averaging_constant=1.0)
WHOLE = FakeQuantize.with_args(observer=MovingAverageMinMaxObserver, averaging_constant=1.0)
EMBEDDING = QuantizationSpec(torch.int8, WHOLE, -127, 127, torch.per_tensor_symmetric)  # a look-up cannot overflow


class OnnxRuntimeLayout(Quantizer):
    """Rounds both sides of convolutions and of operators between them, inputs of linear layers, and embeddings."""

    def __init__(self, reduce_range: bool) -> None:
        most = 63 if reduce_range else 127
        self.weight = QuantizationSpec(torch.int8, ROWS, -most, most, torch.per_channel_symmetric, ch_axis=0)
        self.rounded: set[Node] = set()  # nodes whose outputs are integers

    def annotate(self, model: GraphModule) -> GraphModule:
        """Note in each node's `meta` how its inputs and its output are rounded."""
        for node in model.graph.nodes:
            if node.target is aten.embedding.default:
                node.meta[KEY] = QuantizationAnnotation({node.args[0]: EMBEDDING}, _annotated=True)
            elif node.target is aten.linear.default:
                self._annotate(node, node.args[:1], {node.args[1]: self.weight})
            elif node.target in CONVOLUTIONS and not _is_thin(node):
                self._annotate(node, node.args[:1], {node.args[1]: self.weight})
                self._round_output(node)
            elif node.target in SUMS | AVERAGES and not self.rounded.isdisjoint(node.all_input_nodes):
                self._annotate(node, node.all_input_nodes)
                self._round_output(node)
            elif node.target in MOVES and node.args[0] in self.rounded:
                self._annotate(node, output=SharedQuantizationSpec(node.args[0]))
                self.rounded.add(node)
            elif node.target in DROPOUTS and node.args[0] in self.rounded:
                self.rounded.add(node)
        return model

    def validate(self, model: GraphModule) -> None:
        """Accept every graph: a node without an annotation stays in float32."""

    def _annotate(
        self,
        node: Node,
        sources: Sequence[Node] = (),
        weight: dict[Node, QuantizationSpec] | None = None,
        output: SharedQuantizationSpec | None = None,
    ) -> None:
        inputs = {source: ACTIVATION for source in sources if source not in self.rounded}
        node.meta[KEY] = QuantizationAnnotation(inputs | (weight or {}), output, _annotated=True)

    def _round_output(self, node: Node) -> None:
        """Round a node's output; if a ReLU follows, round after the ReLU, which becomes one operator with the node."""
        following = list(node.users)
        last = following[0] if len(following) == 1 and following[0].target in RELUS else node
        last.meta.setdefault(KEY, QuantizationAnnotation(_annotated=True)).output_qspec = ACTIVATION
        self.rounded.add(last)


def _is_thin(node: Node) -> bool:
    outputs, inputs, *_ = cast(Node, node.args[1]).meta["val"].shape
    groups = cast(int, node.args[6]) if len(node.args) > 6 else 1
    return groups == 1 and inputs < THIN[0] and outputs <= THIN[1]
