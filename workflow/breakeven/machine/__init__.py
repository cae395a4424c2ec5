"""The machine that does the work: its limits, memory, energy, load, network and provenance."""
