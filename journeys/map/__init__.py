"""The journey map on one page: measured (`model`), drawn (`svg`), written in many formats (`export`).

Everything on the page is a `Measure` of the model; the drawing adds no number of its own.
"""
