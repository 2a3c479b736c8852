"""Thin: each turns the outside world into calls of services."""
