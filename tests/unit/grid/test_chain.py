"""Chains have one spelling each and share their prefixes."""

import pytest

from breakeven.errors import UserError
from breakeven.grid import cells
from breakeven.grid.chain import parse, served


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("fp32", "fp32"),
        ("eager", "fp32"),
        ("onnxruntime", "onnxruntime"),
        ("int8_static", "int8_static"),
        ("int8_static+onnxruntime", "int8_static"),
        ("onnxruntime+int8_static", "int8_static"),
        ("channel_pruning-ratio=0.50+int8_static", "channel_pruning+int8_static"),
        ("channel_pruning-ratio=0.25+onnxruntime+int8_static", "channel_pruning-ratio=0.25+int8_static"),
        ("low_rank+eager", "low_rank"),
    ],
)
def test_one_spelling(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


def test_parts_of_a_chain() -> None:
    chain = parse("channel_pruning+int8_static")
    assert chain.steps == ("channel_pruning", "onnxruntime", "int8_static")
    assert chain.runtime == "onnxruntime"
    assert chain.compressions == "channel_pruning+int8_static"
    assert str(chain.prefix) == "channel_pruning+onnxruntime"
    assert parse("fp32").runtime == parse("low_rank").runtime == "eager"
    assert parse("onnxruntime").compressions == "fp32"


def test_chains_start_from_shared_artifacts() -> None:
    assert cells.prefix_artifact("k", "int8_static") == cells.artifact("k", "onnxruntime")
    assert cells.prefix_artifact("k", "low_rank+int8_dynamic") == cells.artifact("k", "low_rank+onnxruntime")
    assert cells.prefix_artifact("k", "low_rank") == cells.artifact("k", "fp32") == "models/k"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("int8_static+channel_pruning", "'channel_pruning' changes the shapes of its layers, which undoes what"),
        ("magnitude_pruning+low_rank", "which undoes what 'magnitude_pruning' did to which weights are zero: put"),
        ("onnxruntime+low_rank", "'low_rank' compresses a module: put it before 'onnxruntime'"),
        ("int8_static+int8_dynamic", "'int8_static' has set the precision already"),
        ("onnxruntime+eager", "'eager' follows the runtime 'onnxruntime': a chain has one runtime"),
        ("eager+int8_static", "'int8_static' compresses files of 'onnxruntime', not 'eager'"),
        ("low_rank+fp32", "'fp32' cannot be a step"),
        ("low_rank+ddp", "'ddp' is a training method"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UserError) as error:
        parse(text)
    assert f"chain '{text}': " in str(error.value) and reason in str(error.value)


def test_a_step_brings_the_runtime_that_it_needs() -> None:
    assert str(served("int8_qat")) == "int8_qat+onnxruntime"
    assert served("low_rank") == parse("low_rank")
    assert str(served("int8_static-backend=fx")) == "int8_static-backend=fx+torchscript"
    own = "int8_static-backend=fx+torchscript-onednn=true"
    assert served(own).runtime == "torchscript-onednn=True"
    with pytest.raises(UserError, match="is served by 'torchscript' alone: leave 'onnxruntime' out"):
        parse("int8_static-backend=fx+onnxruntime")


def test_what_eager_alone_serves_processes_that_call_modules_serve_too() -> None:
    assert parse("int8_dynamic-backend=torch+data_parallel_inference").runtime == "data_parallel_inference"
    assert parse("low_rank+pipeline_inference-micro_batches=2").runtime == "pipeline_inference-micro_batches=2"
    with pytest.raises(UserError, match="is served by 'onnxruntime' alone: leave 'tensor_parallel_inference' out"):
        parse("int8_qat+tensor_parallel_inference")
