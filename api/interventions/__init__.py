"""Interventions: what to do first, and what people filled in about it."""
