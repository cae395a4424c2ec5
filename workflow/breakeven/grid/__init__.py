"""From a config to cells: every name checked, every chain parsed, before any work."""
