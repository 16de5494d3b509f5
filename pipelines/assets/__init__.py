"""The assets of the graph, one module per layer: landing and raw, models, identity, publication."""
