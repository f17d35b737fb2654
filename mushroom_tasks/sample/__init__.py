"""The sample bucket: invented fungi in the layout of iNaturalist's open data, and a server for it."""
