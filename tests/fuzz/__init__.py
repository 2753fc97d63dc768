"""Differential fuzzing: random inputs from a seed, on both engines. `make fuzz SECONDS=3600` runs it; one file is one subject."""
