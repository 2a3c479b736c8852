"""Cedar behind the one-function policy port."""
