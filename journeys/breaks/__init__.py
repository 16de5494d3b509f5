"""Where the path loses people: drop-off per stage and step, bottlenecks, acquisition that leads nowhere, loops.

Description with intervals, no hypothesis tests: what is compared and corrected for many tests lives in `findings`.
`queries` holds the SQL, `model` what comes out, `search` puts the two together.
"""
