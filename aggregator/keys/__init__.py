"""Keys of the city and its edge nodes: tokens, keyring, enrolment, rotation, revocation."""
