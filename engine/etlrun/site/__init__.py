"""The documentation of a project as static pages: they open from disk, and no request leaves them."""
