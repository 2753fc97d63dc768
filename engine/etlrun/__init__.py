"""etlrun: YAML pipelines, checked without data and compiled into one plan."""

from etlrun.sqlglot_source import prefer_source

__version__ = "0.1.0"

prefer_source()  # before any module of ours imports sqlglot
