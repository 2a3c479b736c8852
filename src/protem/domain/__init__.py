"""Values and rules: no I/O, clock, randomness or logging; time arrives as an argument."""
