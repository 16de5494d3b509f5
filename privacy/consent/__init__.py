"""Consent: what the entries of the ledger and the statements of the sources mean together, for each person and purpose.

`purposes.yaml` says which statement wins, `effective` applies it to a snapshot. Nothing is decided here about segments:
their gate reads the relation that `effective` makes.
"""
