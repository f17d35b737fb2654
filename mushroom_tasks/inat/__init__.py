"""iNaturalist's open data: snapshots, their load into PostgreSQL, and the selection of photos."""
