"""Objects of stores: listed and fetched."""
