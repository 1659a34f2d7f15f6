"""Commands of the console, loaded for as long as they run. Both VMs."""
