"""Subject requests over HTTP: what a person asked for, by when it is due, and who did what with it."""
