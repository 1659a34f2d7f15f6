"""The physics the virtual chips measure and the virtual actuators change. Never imports `models/`."""
