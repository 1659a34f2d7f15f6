"""Clock records of boards and edge nodes, and the event times that later ones change."""
