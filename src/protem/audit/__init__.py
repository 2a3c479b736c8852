"""The transparency log: tree, checkpoint, files, verifier."""
