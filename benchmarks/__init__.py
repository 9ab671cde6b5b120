"""What Relay costs: against the floor that Python itself sets, and against peers where they are installed.

Everything is measured in one process and one run, candidates in turn, and quoted as medians and ratios: on a noisy
machine nothing else holds. Nothing here runs in the test suite.
"""
