"""The kinds of connection: one file is one kind, and its name is the YAML key."""
