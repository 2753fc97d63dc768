"""The kinds of check: one file is one kind, and its name is the YAML key."""
