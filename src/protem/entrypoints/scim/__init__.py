"""SCIM 2.0: directories provision the people and groups that policy knows (RFC 7643, 7644)."""
