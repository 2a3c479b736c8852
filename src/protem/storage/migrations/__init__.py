"""The schema's history, one frozen step a file in ``versions``."""
