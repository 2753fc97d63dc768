"""Publishing to a real server that the tests start themselves, with faults of the line, the server and the process."""
