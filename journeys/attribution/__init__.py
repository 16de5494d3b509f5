"""Who gets the credit for conversions: rules, Markov removal effect, Shapley values, over channel paths.

`paths` reads channel paths from the marts; `rules`, `markov` and `shapley` are pure functions over paths; `report` puts
them side by side. Whatever the model, shares sum to the total.
"""
