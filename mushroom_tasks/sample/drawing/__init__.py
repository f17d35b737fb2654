"""Draws fungi and what surrounds them: surfaces as clouds of lit points, grounds with Pillow, then a camera."""
