"""Functions that the broken specs of this folder name."""


def count_words(rows):
    return rows
