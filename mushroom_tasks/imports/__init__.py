"""Photos of other sources than the snapshots: a labelled folder, a Hugging Face data set, iNaturalist's public API."""
