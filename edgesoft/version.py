"""The version of this package; apart from it nothing is imported here, so that every module may ask."""

__version__ = "0.1.0"
