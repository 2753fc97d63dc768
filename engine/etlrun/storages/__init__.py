"""The kinds of storage: one file = one kind = one key in YAML."""
