"""What can be out of order, one subject a module; ``services.diagnose`` asks them all."""
