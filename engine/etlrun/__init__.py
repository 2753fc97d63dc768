"""etlrun: YAML pipelines, checked without data and compiled into one plan."""

__version__ = "0.1.0"
