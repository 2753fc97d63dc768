"""The expression language: its types and functions, how it is parsed and checked, and its SQL in the dialect of each engine."""
