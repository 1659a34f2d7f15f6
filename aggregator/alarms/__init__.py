"""Alarms of all processes at the city: what stands, what people did to it, and which edge nodes have to know."""
