"""The audit log of an edge node: heads of the city's that it keeps, and its pages."""
