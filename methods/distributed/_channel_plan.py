"""Finds the layers of a network that can be split by channels, by following its code without data."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeGuard

from torch import fx, nn
from torch.distributed.tensor.parallel import ParallelStyle

from ._channels import Columns, Heads, Rows, Slice

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
TIMM_NORM = "timm.layers.norm_act.BatchNormAct2d"  # batch normalisation with an activation
# Functions and layers that treat each number, or each channel, by itself.
FUNCTIONS = {
    *("relu", "relu_", "relu6", "gelu", "silu", "elu", "leaky_relu", "mish", "tanh", "sigmoid", "softplus", "dropout"),
    *("hardtanh", "hardswish", "hardsigmoid"),
}
ELEMENTWISE = {
    *(nn.Identity, nn.Dropout, nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.ELU, nn.CELU, nn.SELU, nn.LeakyReLU, nn.Mish),
    *(nn.Tanh, nn.Sigmoid, nn.LogSigmoid, nn.Softplus, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid),
}
POOLING = {
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d),
}


class Attention(NamedTuple):
    """Names of the parts of a kind of attention module."""

    heads: str  # the part that computes the heads; empty for the module itself
    inputs: tuple[str, ...]  # the layers that make queries, keys and values
    output: str  # the layer that takes the heads
    counts: tuple[str, ...]  # attributes of the part: the number of heads, then the number of their channels


ATTENTION = {
    "timm.layers.attention.Attention": Attention("", ("qkv",), "proj", ("num_heads", "attn_dim")),
    "transformers.models.bert.modeling_bert.BertAttention": Attention(
        "self", ("self.query", "self.key", "self.value"), "output.dense", ("num_attention_heads", "all_head_size")
    ),
}


def plan(model: nn.Module, processes: int) -> dict[str, ParallelStyle]:
    """Return how to split each layer that can be split, by its name; empty where none can."""
    found: dict[str, ParallelStyle] = {}
    for name, kind in _attentions(model, processes):
        found[_joined(name, kind.heads)] = Heads(kind.counts)
        found |= {_joined(name, layer): Slice(parts=3 // len(kind.inputs)) for layer in kind.inputs}
        found[_joined(name, kind.output)] = Rows()
    for first, *between, last in _chains(model, processes):
        if not found.keys() & {first, *between, last}:
            found |= {first: Columns(), **{name: Slice() for name in between}, last: Rows()}
    return found


def _attentions(model: nn.Module, processes: int) -> Iterator[tuple[str, Attention]]:
    """Yield attention modules whose heads divide by `processes`, and whose weights all belong to the named layers."""
    for name, module in model.named_modules():
        kind = ATTENTION.get(_kind(module))
        if kind is None or getattr(module, "is_cross_attention", False):
            continue
        heads = module.get_submodule(kind.heads)
        weights = {_joined(kind.heads, weight).rpartition(".")[0] for weight, _ in heads.named_parameters()}
        if weights <= {*kind.inputs, kind.output} and getattr(heads, kind.counts[0]) % processes == 0:
            yield name, kind


def _chains(model: nn.Module, processes: int) -> Iterator[list[str]]:
    """Yield the names of two layers that follow one another, with the names of layers with tensors between them."""
    for names, modules in _followed(model):
        for node, module in modules.items():
            if _is_layer(module) and module.weight.shape[0] % processes == 0 and (chain := _chain(node, modules)):
                yield [names[n] for n in chain]


def _followed(model: nn.Module) -> Iterator[tuple[dict[fx.Node, str], dict[fx.Node, nn.Module]]]:
    """Yield for every graph the names of the modules that it calls, and those modules that no other graph calls.

    Modules with tensors are called once, and share no tensor with others.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    uses = Counter(id(p) for _, p in model.named_parameters(remove_duplicate=False))
    seen: set[str] = set()
    for prefix, graph in _graphs(model).items():
        names = {node: _joined(prefix, str(node.target)) for node in graph.nodes if node.op == "call_module"}
        calls = Counter(names.values())
        calls.update(_joined(prefix, str(n.target)).rpartition(".")[0] for n in graph.nodes if n.op == "get_attr")
        own = {node: modules[name] for node, name in names.items() if name not in seen}
        yield names, {node: m for node, m in own.items() if not m.state_dict() or _alone(m, calls[names[node]], uses)}
        seen |= calls.keys()


def _alone(module: nn.Module, calls: int, uses: Counter[int]) -> bool:
    """Return whether a module is called once and shares no parameter."""
    return calls == 1 and all(uses[id(parameter)] == 1 for parameter in module.parameters())


def _chain(node: fx.Node, modules: dict[fx.Node, nn.Module]) -> list[fx.Node]:
    """Return a layer, the modules with tensors that follow it, and the next layer.

    Each of them is the only one that takes the outputs of the one before. Empty where another operation comes first.
    """
    spatial, chain = (
        not isinstance(modules[node], nn.Linear),
        [node],
    )  # spatial: channels are dimension 1, not the last
    while len(node.users) == 1:
        (following,) = node.users
        module = modules.get(following)
        if following.all_input_nodes != [node]:
            return []
        if _is_layer(module) and spatial != isinstance(module, nn.Linear):
            return [*chain, following]
        if spatial and _is_flattening(following, module):
            spatial = False
        elif spatial and _keeps_channels_apart(module):
            chain.append(following)
        elif not (_is_elementwise(following, module) or (spatial and type(module) in POOLING)):
            return []
        node = following
    return []


def _is_layer(module: object) -> TypeGuard[Layer]:
    return _is_plain(module) and getattr(module, "groups", 1) == 1


def _is_plain(module: object) -> TypeGuard[Layer]:
    """Return whether a module is a linear layer or a convolution whose weights are not computed from others."""
    if not isinstance(module, Layer) or type(module) not in (nn.Linear, *CONVOLUTIONS):
        return False
    names = {name for name, _ in module.named_parameters()}
    return "weight" in names and names <= {"weight", "bias"}


def _keeps_channels_apart(module: object) -> bool:
    """Return whether a module is batch normalisation or a depthwise convolution."""
    if isinstance(module, CONVOLUTIONS):
        return _is_plain(module) and module.groups == module.in_channels == module.out_channels
    return _is_norm(module)


def _is_norm(module: object) -> bool:
    if isinstance(module, nn.Module) and _kind(module) == TIMM_NORM:
        return {*map(type, module.children())} <= ELEMENTWISE
    return type(module) in NORMS


def _is_elementwise(node: fx.Node, module: object) -> bool:
    return type(module) in ELEMENTWISE or _called(node) in FUNCTIONS


def _is_flattening(node: fx.Node, module: object) -> bool:
    if type(module) is nn.Flatten:
        return (module.start_dim, module.end_dim) == (1, -1)
    return _called(node) == "flatten" and node.args[1:] == (1,) and not node.kwargs


def _called(node: fx.Node) -> str | None:
    """Return the name of the function or of the tensor's method that a node calls."""
    if node.op == "call_method":
        return str(node.target)
    return getattr(node.target, "__name__", None) if node.op == "call_function" else None


class _Tracer(fx.Tracer):
    """Follows the code of a network's modules, except of those in `closed`, which cannot be followed."""

    def __init__(self, closed: set[nn.Module]) -> None:
        super().__init__()
        self.closed = closed

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is a step of its own: see `fx.Tracer`."""
        return m in self.closed or _is_norm(m) or super().is_leaf_module(m, module_qualified_name)

    def create_args_for_root(self, root_fn: Any, *others: Any) -> Any:
        """Make the arguments of the function that a wrapper wraps: torch fails where a wrapper passes ** on."""
        return super().create_args_for_root(inspect.unwrap(root_fn), *others)

    def keys(self, obj: fx.Proxy) -> Any:
        """Return no keys, so that keyword arguments that are only passed on are none."""
        return ()


def _graphs(model: nn.Module) -> dict[str, fx.Graph]:
    """Return the graph of every module whose code can be followed, by its name, outer modules first."""
    closed: set[nn.Module] = set()
    found: dict[str, fx.Graph] = {}
    for name, module in reversed(list(model.named_modules())):
        tracer = _Tracer(closed)
        if tracer.is_leaf_module(module, name):
            continue
        try:
            found[name] = tracer.trace(module)
        except Exception:  # its code may fail in any way where it expects a number and gets a symbol
            closed.add(module)
    return dict(reversed(found.items()))


def _kind(module: object) -> str:
    """Return the name of a module's class with its path, so that no library is imported to compare classes."""
    return f"{type(module).__module__}.{type(module).__qualname__}"


def _joined(*names: str) -> str:
    return ".".join(filter(None, names))
