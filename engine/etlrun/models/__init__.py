"""The language models a prompt can be put to: one file is one provider, and its name is the YAML key."""
