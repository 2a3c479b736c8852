"""The domain's escape of foreign text, under the name that the command line knows it by."""

from protem.domain.untrusted_text import printable, printable_lines

__all__ = ["printable", "printable_lines"]
