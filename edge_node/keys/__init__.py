"""The node's own key pair: made, enrolled by a token, rotated."""
