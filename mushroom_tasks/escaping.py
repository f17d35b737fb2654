"""Text from strangers, made harmless: names come from the data, and the data come from anyone.

escape_markdown("<b>*Amanita*</b>")      # shows those characters, and nothing bold
guard_cell("=1+1")                       # "'=1+1"
"""

from __future__ import annotations

_MARKUP = str.maketrans(
    {character: f"\\{character}" for character in r"\`*_{}[]()#+!|~$^=@:/.-"}
    | {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
)
# What a spreadsheet takes for the start of a formula (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@")
_CONTROL_STARTS = ("\t", "\r", "\n")


def plain(text: str) -> str:
    """Return a text on one line, without what a terminal or a file of lines would obey.

    Control characters, line separators and marks that turn the direction of writing become blanks.
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def escape_markdown(text: str) -> str:
    """Return a text that Markdown, and the HTML made of it, show as it is; fit for a table cell or a link."""
    return plain(text).translate(_MARKUP)


def guard_cell(text: str) -> str:
    """Return a CSV cell's text, made harmless where a spreadsheet would run it as a formula."""
    # Some spreadsheets drop leading blanks before they look for a formula.
    dangerous = text.startswith(_CONTROL_STARTS) or text.lstrip().startswith(_FORMULA_STARTS)
    return f"'{text}" if dangerous else text


def unguard_cell(text: str) -> str:
    """Return what `guard_cell` was given."""
    return text[1:] if text.startswith("'") and guard_cell(text[1:]) == text else text
