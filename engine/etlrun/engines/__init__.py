"""The engines a plan runs on: one file is one engine, and its name is the YAML key."""
