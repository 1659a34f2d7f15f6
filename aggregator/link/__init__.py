"""The city's side of the wire: sockets, who may connect, and the sessions of edge nodes."""
