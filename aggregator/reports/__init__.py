"""People as senses: reports in the manner of Open311 GeoReport v2 become Observations of a Thing of the city's own."""
