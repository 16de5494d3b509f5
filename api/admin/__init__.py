"""Administration: API keys and the audit trail. Keys are made on the command line only."""
