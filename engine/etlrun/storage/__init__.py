"""Objects of stores: listed, fetched and written."""
