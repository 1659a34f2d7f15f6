"""World physics."""
