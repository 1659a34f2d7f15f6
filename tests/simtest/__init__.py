"""The whole system under seeds: real state machines on a virtual clock, network, disk and serial line."""
