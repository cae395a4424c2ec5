"""The compress stage: one step of a chain turns an artifact into the next one."""
