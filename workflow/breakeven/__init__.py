"""The engine of Breakeven: when does making a model cheaper pay off?"""

import os

SCHEMA_VERSION = 2  # of the rows' columns
PROTOCOL_VERSION = 2  # of how they are measured; a change measures everything again

# ONNX Runtime ≥ 1.29 starts a thread that reports usage to its maker (microsoft/onnxruntime#27379): not from our users'
# machines, and not in a timed process.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
