"""Which photos do not show their species: see `prune`, which explains the method."""
