"""seg-bench device-check: all that roadseg does on a machine, tried in one go, in one report."""
