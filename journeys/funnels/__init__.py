"""Funnels, paths and transitions over the timeline of touchpoints.

`definition` says what is asked, `timeline` brings touchpoints into arrays ordered by person and time, `funnel`, `paths`
and `transitions` answer. A funnel counts a person's furthest attempt, paths start at the first anchor: their counts
differ by design.
"""
