"""Adapters that know who is on call."""
