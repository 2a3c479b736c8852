"""Adapters that tell people: chat, mail, signed webhooks."""
