"""What a customer is worth: BG/NBD for how often, Gamma-Gamma for how much, both fitted here by maximum likelihood.

`bgnbd` and `gamma_gamma` are pure functions over arrays, `lifetime` reads the marts and predicts per profile.
"""
