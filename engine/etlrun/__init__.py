"""etlrun: YAML pipelines, checked without data and compiled into one plan."""
