"""The verbs of a step chain: one file is one verb, and its name is the YAML key."""
