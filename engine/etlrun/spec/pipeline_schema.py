"""The JSON Schema of a pipeline file, with which values are validated and editors complete keys.

```yaml
pipeline: sales
description: revenue by shop and day
owner: bi
tags: [daily]
params:
  least: {type: int, default: 1}
sources:
  sales:
    csv:
      path: $data/sales.csv
      columns: {shop: string not null, day: date, units: int, price: "decimal(10,2)"}
steps:
  by_shop:
    - from: sales
    - filter: units >= $least
    - aggregate: {by: [shop, day], columns: {revenue: sum(units * price)}}
checks:
  by_shop:
    - not_null: [shop, day]
sinks:
  revenue: {table: {from: by_shop, connection: warehouse, key: [shop, day], write: replace}}
```
"""

from __future__ import annotations

from functools import cache

from etlrun.spec.editor_schema import editor_text
from etlrun.spec.fields import Schema, schema_of, schema_of_class
from etlrun.spec.params import Param
from etlrun.spec.registry import Family, kinds
from etlrun.spec.schema import kind_schema
from etlrun.spec.shared import written_schema

TITLE = "an etlrun pipeline"


@cache
def pipeline_schema() -> Schema:
    """The JSON Schema of a pipeline file, including every kind and plugin."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": TITLE,
        "type": "object",
        "properties": {
            "pipeline": {"type": "string", "minLength": 1, "description": "the name of the pipeline"},
            "description": {"type": "string", "description": "a one-line description of the result"},
            "owner": {"type": "string", "description": "the person or team responsible for it"},
            "tags": {
                **schema_of(tuple[str, ...]),
                "description": "tags for `etlrun run --select tag:TAG`",
            },
            "params": _named("values that a run may set", schema_of_class(Param)),
            "sources": _named("relations read from files or tables", _kinds("sources"), at_least=1),
            "steps": _named(
                "chains of steps; each makes a relation", {"type": "array", "items": _kinds("steps"), "minItems": 1}
            ),
            "checks": _named(
                "the conditions that must hold before anything is published",
                {"type": "array", "items": _kinds("checks"), "minItems": 1},
            ),
            "sinks": _named("the relations to publish, and where to", _kinds("sinks")),
        },
        "required": ["pipeline", "sources"],
        "additionalProperties": False,
    }


def schema_text() -> str:
    """The schema as a file, for editors."""
    return editor_text(written_schema(pipeline_schema()), "docs/pipeline.md", __name__)


def _named(doc: str, schema: Schema, at_least: int = 0) -> Schema:
    return {"type": "object", "description": doc, "additionalProperties": schema, "minProperties": at_least}


def _kinds(family: Family) -> Schema:
    return kind_schema(kinds(family))
