"""Protem: the privilege one debugging command needs, for as long as it needs it, and no longer."""

__version__ = "0.1.0"
