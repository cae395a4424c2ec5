"""The engine of Breakeven: when does making a model cheaper pay off?"""

import os
from pathlib import Path

SCHEMA_VERSION = 6  # of the rows' columns
PROTOCOL_VERSION = 3  # of how they are measured; a change measures everything again

ENVIRONMENT = {
    # ONNX Runtime ≥ 1.29 starts a thread that reports usage to its maker (microsoft/onnxruntime#27379): not from our
    # users' machines, and not in a timed process.
    "ORT_DISABLE_TELEMETRY": "1",
    # torchao, which transformers imports where it finds it, asks for GPUs while being imported. Where torch has to ask
    # the driver, processes forked after that may not use CUDA, and Lightning refuses to fork ranks even for a CPU.
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
if not any(Path("/dev").glob("nvidia[0-9]*")) and not Path("/dev/dxg").exists():  # nor is there NVML to ask instead
    ENVIRONMENT["CUDA_VISIBLE_DEVICES"] = ""
os.environ.update(ENVIRONMENT | dict(os.environ))  # what a user has set stays
