"""Answers that come from a chat."""
