"""Where people stand: stage rules, predictions, personas, correlations."""
