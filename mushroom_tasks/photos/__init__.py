"""The photos themselves: where they lie in the store, and how they get there."""
