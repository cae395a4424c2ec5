"""From rows to boards: ratios, costs, ranks with ties. Pure functions that import neither torch nor the machine."""
