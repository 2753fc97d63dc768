"""Synthetic Customer360 logs: the formats and the oddities of real ones, the same bytes for the same seed."""
