"""The parts of the connection `postgres`."""
