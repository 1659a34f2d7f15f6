"""Copies of the store, the way back from one, and what edge nodes bring again after it."""
