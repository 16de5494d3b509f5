"""The analytical engine: `base` says what an engine is, `duckdb` is the one that ships, `sql` renders canonical SQL."""
