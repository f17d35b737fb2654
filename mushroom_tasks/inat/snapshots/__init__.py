"""Snapshots of the metadata: noticed, fetched so that nothing is fetched twice, verified, kept."""
