"""The life of an alarm after ISA-18.2 (IEC 62682): one table of transitions, in event time."""
