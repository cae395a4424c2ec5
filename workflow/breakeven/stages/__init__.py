"""The stages of the pipeline, one module or folder for each rule of the workflow."""
