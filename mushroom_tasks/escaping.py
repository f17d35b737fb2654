"""Text from strangers, made harmless: names come from the data, and the data come from anyone.

escape_markdown("<b>*Amanita*</b>")      # shows those characters, and nothing bold
"""

from __future__ import annotations

_MARKUP = str.maketrans(
    {character: f"\\{character}" for character in r"\`*_{}[]()#+!|~$^=@:/.-"}
    | {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
)


def plain(text: str) -> str:
    """Return a text on one line, without what a terminal or a file of lines would obey.

    Control characters, line separators and marks that turn the direction of writing become blanks.
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def escape_markdown(text: str) -> str:
    """Return a text that Markdown, and the HTML made of it, show as it is; fit for a table cell or a link."""
    return plain(text).translate(_MARKUP)
