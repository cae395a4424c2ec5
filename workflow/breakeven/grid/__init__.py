"""Expansion of a config to cells. Every name is checked and every chain parsed before any work starts."""
