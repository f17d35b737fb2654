"""From embedded photos to a published data set: what is flagged, who is credited, what the card says."""
