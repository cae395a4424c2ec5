"""The evaluate stage: the quality of an artifact, with its interval."""
