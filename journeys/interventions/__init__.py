"""What to do next: findings turned into a ranked list of changes, with what a person may edit and keep.

`catalogue` holds the texts and the investment, difficulty and period people filled in (YAML); `ranking` gives each its
measured effect and worth and orders them by value for effort.
"""
