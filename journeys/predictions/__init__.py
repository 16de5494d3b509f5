"""What comes next for each person: the next stage, when, the risk of lapsing and why, and the value still to come.

`landmarks` reads past moments and what followed, `hazards` learns competing moves from them, `checks` compares with
what then happened, `drivers` puts a risk into words, `estimate` writes the tables and `card` reads them. Everything
learnt is learnt from the data at hand and says how sure it is.
"""
