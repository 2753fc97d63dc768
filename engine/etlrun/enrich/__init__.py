"""Enrichment: asks models about the distinct keys of a column, and stores their answers.

The parts, each usable by itself: a prompt file (`prompts`) and its answers (`outputs`), keys (`keys`), the question (`questions`)
and the checking of replies (`replies`), the limiter (`limiter`), the label store (`store`), the asking loop (`asking`), prices and
estimates, and the cascade over several models (`answers`).
"""
