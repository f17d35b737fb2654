"""Data sets in the store: published, described, credited, compared."""
