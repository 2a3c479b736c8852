"""One file per kind of target: make, end and observe privileges there."""
