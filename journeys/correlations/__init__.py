"""What goes with staying, leaving and value: tables of association, never of cause.

`cohort` reads customers with what they met first and what followed; `table` compares the levels of each factor.
"""
