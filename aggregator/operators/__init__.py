"""People who may change something: who they are, what they may do where, and the gate before every page."""
