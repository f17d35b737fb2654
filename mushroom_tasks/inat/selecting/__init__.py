"""N photos of M species, chosen by SQL."""
