"""Orders to edge nodes: leases, deadlines, signatures, states, and the book of them."""
