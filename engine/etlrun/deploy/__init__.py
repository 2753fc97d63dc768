"""Files that let a scheduler run a project: each runs one pipeline a task by the command line, in the order of the graph."""
