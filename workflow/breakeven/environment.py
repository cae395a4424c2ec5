"""The names of the environment variables that Breakeven reads and sets, and the values it gives to libraries."""

import os
from pathlib import Path

# Read from the user.
CACHE = "BREAKEVEN_CACHE"  # folder of all data
UNITS = "BREAKEVEN_PATH"  # folders with units, beside the repository's own
RESULTS = "BREAKEVEN_RESULTS"  # results folder that the dashboard opens

# Set by a run for its jobs.
FORKSERVER = "BREAKEVEN_FORKSERVER"  # path of the fork server's socket
CONFIG_SHA256 = "BREAKEVEN_CONFIG_SHA256"  # of the run's config

# Read or set by other programs.
GLOO_INTERFACE = "GLOO_SOCKET_IFNAME"  # the network device that gloo binds to
SLURM_JOB_ID = "SLURM_JOB_ID"
SLURM_NODES = "SLURM_JOB_NUM_NODES"

FOR_LIBRARIES = {
    # ONNX Runtime ≥ 1.29 starts a thread that reports usage to its maker (microsoft/onnxruntime#27379). It must run
    # neither on our users' machines nor in a timed process.
    "ORT_DISABLE_TELEMETRY": "1",
    # torchao, which transformers imports where it finds it, asks for GPUs while being imported. If torch asks the
    # driver, processes forked later may not use CUDA, and Lightning refuses to fork ranks even for a CPU.
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
if not any(Path("/dev").glob("nvidia[0-9]*")) and not Path("/dev/dxg").exists():  # NVML is missing too
    FOR_LIBRARIES["CUDA_VISIBLE_DEVICES"] = ""


def prepare() -> None:
    """Set the variables that libraries read at import. Values set by the user stay."""
    os.environ.update(FOR_LIBRARIES | dict(os.environ))
