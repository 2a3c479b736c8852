"""One composition root per process, and its settings."""
