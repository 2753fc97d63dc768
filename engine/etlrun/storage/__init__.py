"""Objects of stores: listed, fetched and put."""
