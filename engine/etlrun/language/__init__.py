"""The expression language: types, functions, parsing, checking, and each engine's words for it."""
