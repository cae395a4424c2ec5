"""Checks of rows, machines and the harness itself: validate, merge, verify, calibrate, doctor."""
