"""Batched local linear trend Kalman filters: `new_bank`, `fuse`."""

from models.kalman.filter import Bank, fuse, new_bank

__all__ = ["Bank", "fuse", "new_bank"]
