"""Links to boards: the serial port, the session on it, and signed commands."""
