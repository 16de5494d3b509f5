"""Synthetic people with known truth, written in each source system's own format."""
