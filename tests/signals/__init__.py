"""Signals at random moments of runs."""
