"""Builds the documentation of a project as static pages, which open from disk and send no requests."""
