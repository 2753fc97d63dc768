"""The kinds of language models: one file is one provider, and its name is the YAML key."""
