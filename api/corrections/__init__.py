"""Putting right what sources say about a person, over HTTP."""
