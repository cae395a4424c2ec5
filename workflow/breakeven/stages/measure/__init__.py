"""The measure stage: a cell is timed beside its reference and becomes the rows of the inference board."""
