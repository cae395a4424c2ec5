"""The machine that runs the jobs: its limits, memory, energy, load, network and provenance."""
