"""This machine's clock and randomness behind their ports."""
