"""Keys behind the signer port."""
