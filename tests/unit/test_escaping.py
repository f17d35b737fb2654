"""Text from strangers, made harmless."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mushroom_tasks.escaping import escape_markdown, guard_cell, plain, unguard_cell


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_escape_markdown__leaves_no_markup_in_any_text(text: str) -> None:
    escaped = escape_markdown(text)
    assert "\n" not in escaped
    assert "<" not in escaped
    assert not re.search(r"(?<!\\)(\\\\)*[`*_\[\]|]", escaped)


def test_escape_markdown__shows_plain_names_plainly() -> None:
    assert escape_markdown("Amanita muscaria") == "Amanita muscaria"
    assert escape_markdown("O'Brien") == "O'Brien"


@pytest.mark.parametrize("text", ["\u202eevil", "a\x1b[31mb", "a\nb", "a\u2028b"])
def test_plain__is_one_line_that_a_terminal_does_not_obey(text: str) -> None:
    assert plain(text).isprintable()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\u00a0@"])
def test_guard_cell__disarms_formulas(start: str) -> None:
    assert guard_cell(f"{start}1+1") == f"'{start}1+1"


def test_guard_cell__leaves_harmless_text() -> None:
    assert guard_cell('O\'Brien "2", a=b') == 'O\'Brien "2", a=b'


@pytest.mark.parametrize("text", ["", "Ann", "=1+1", " =1", "\t=1", "O'Brien", "'quoted'", "'", "-"])
def test_unguard_cell__returns_what_was_guarded(text: str) -> None:
    assert unguard_cell(guard_cell(text)) == text
