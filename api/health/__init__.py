"""Health and metrics of the server, for whoever keeps it running."""
