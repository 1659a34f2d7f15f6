"""Sans-IO firmware."""
