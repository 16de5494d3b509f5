"""Data contracts: Great Expectations suites and the runner that turns failures into row keys and counts."""
