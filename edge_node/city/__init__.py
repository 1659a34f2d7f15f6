"""The link to the city: the socket, the uplink over it, and what either side says."""
