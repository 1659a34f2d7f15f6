"""The contract between all parts: frames of both wires and the duties every side shares."""
