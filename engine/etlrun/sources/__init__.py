"""The kinds of source: one file is one kind, and its name is the YAML key."""
