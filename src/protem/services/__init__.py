"""One use case a file, named by its verb."""
