"""Errors of models/: the caller passed numbers that no model can take."""


class ModelError(Exception):
    """Base of every error raised in models/."""


class ShapeError(ModelError, ValueError):
    """Arrays that belong together differ in length, or a filter index is outside the bank."""


class ParameterError(ModelError, ValueError):
    """A physical parameter is outside the range in which the model is valid."""
