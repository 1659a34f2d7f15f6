"""For all tests: no example of a property has to be fast, as other work may have the machine."""

from hypothesis import settings

settings.register_profile("gate", deadline=None)
settings.load_profile("gate")
