"""Normalisation: what a source wrote → values that can be compared.

One module per kind of value, each a pure function of the text (no clock, no I/O once the word lists are read) that
never raises and is idempotent. `columns` applies them to whole tables, once per distinct value; word lists are data, in
`data/`. Nothing here decides whether two records are one person.
"""
