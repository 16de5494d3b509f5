"""Kinds of customer, derived from behaviour: everybody is in exactly one.

`rules` reads the shipped or the user's own rule file, `portrait` describes the personas of a snapshot, `clusters` finds
groups without rules.
"""
