"""Quality tests of samples after QARTOD: `new_bank`, `Rule`, `Pair`, `check`."""

from models.quality.checks import TESTS, Bank, Pair, Rule, check, new_bank

__all__ = ["TESTS", "Bank", "Pair", "Rule", "check", "new_bank"]
