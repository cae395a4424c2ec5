"""The engine of Breakeven: when does making a model cheaper pay off?"""

import os

# ONNX Runtime ≥ 1.29 starts a thread that reports usage to its maker (microsoft/onnxruntime#27379): not from our users'
# machines, and not in a timed process.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
