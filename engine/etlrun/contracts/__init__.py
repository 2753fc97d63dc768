"""The interface of each family of kinds: one file per family."""
