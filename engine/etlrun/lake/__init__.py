"""The publish protocol for lake tables: staged Parquet files become part of a table in one commit, without reading a row."""
