"""What a YAML parser says, in the words of someone who writes YAML: what is wrong, and what to do."""

from __future__ import annotations

SYNTAX = (
    ("cannot start any token", "this character cannot start a value", "put the value in quotes"),
    (
        "mapping values are not allowed",
        "a `:` is not expected here",
        "put the value in quotes, or check the indentation",
    ),
    (
        "did not find expected key",
        "the indentation does not fit, or a key is missing",
        "line the keys of one mapping up under each other",
    ),
    ("did not find expected '-' indicator", "the list ends here", "line the `-` of one list up under each other"),
    ("could not find expected ':'", "a `:` is missing after this key", "write `key: value`"),
    (
        "did not find expected ',' or",
        "a `,` or the closing bracket is missing",
        "close what was opened with `{` or `[`",
    ),
    ("unexpected end of stream", "this quote is not closed", "close it"),
    ("undefined alias", "the alias refers to no anchor", "name the anchor first: `&name value`"),
    ("control characters are not allowed", "a control character stands in the file", "remove it"),
)
