"""Where journeys break: conditions after which people defect more than comparable ones, and experiments.

`probes` says what is asked, `evidence` collects comparable units from the marts, `inflection` measures them. A claim of
cause appears only where assignment was random; everything else is worded as association.
"""
