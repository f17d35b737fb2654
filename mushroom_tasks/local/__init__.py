"""The services of one machine, and the demo."""
