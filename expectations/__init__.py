"""Data contracts: Great Expectations suites (`suites/*.yaml`, one per raw entity and one per published table) and the
runner that turns what fails into row indexes and counts.

Values never leave this package: Great Expectations reports them, the runner drops them at once and nothing it writes
holds any. The runner is the only module others import.
"""
