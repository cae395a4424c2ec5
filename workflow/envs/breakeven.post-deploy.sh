#!/usr/bin/env bash
# Installs the locked packages and the engine into the conda environment just made; run from the repository's root.
set -euo pipefail
python -m pip install --requirement requirements.lock
python -m pip install --no-deps --editable .
