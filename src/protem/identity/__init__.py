"""Who is asking: local users and tokens."""
