"""What each type of touchpoint does: reach, share of journeys, position, cost, conversion with and without it.

`queries` holds the SQL, `model` what comes out, `costs` what people know about prices, `table` puts them together.
"""
