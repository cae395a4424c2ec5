"""Finding units (tasks, methods, hardware profiles) and reading what they say of themselves."""
