"""Which photos look more like another species: see `suspects`, which explains the method."""
