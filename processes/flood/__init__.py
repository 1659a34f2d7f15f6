"""Template: keep a river below its threshold by opening a sluice gate in time."""
