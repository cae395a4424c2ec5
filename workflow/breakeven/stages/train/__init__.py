"""The train stage: one training becomes a model and the row of the training board."""
