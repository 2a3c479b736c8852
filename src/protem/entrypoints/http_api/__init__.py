"""The HTTP API: thin, one module per resource; ``docs/api.md`` is its contract."""
