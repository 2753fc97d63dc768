"""Writes files with which a scheduler runs a project: one task per pipeline, by the command line, in the order of the graph."""
