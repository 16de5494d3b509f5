"""Data contracts: Great Expectations suites and the runner that turns what fails into row indexes and counts.

`suites/*.yaml` holds one suite per raw entity and one per published table: expectations, codes and sentences.
Values never leave this package: Great Expectations reports them, the runner drops them at once and nothing it writes
holds any. The runner is the only module others import.
"""
