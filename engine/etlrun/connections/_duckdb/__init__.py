"""The parts of the connection `duckdb`."""
