"""One file per command language: from a command to the scope it needs."""
