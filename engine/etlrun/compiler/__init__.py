"""From a typed pipeline to SQL trees: checks, graph, lowering and rewrites."""
