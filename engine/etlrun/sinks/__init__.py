"""The kinds of sink: one file is one kind, and its name is the YAML key."""
