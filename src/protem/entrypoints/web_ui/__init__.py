"""Pages for people: HTML that works without scripts, over the same services as the API."""
