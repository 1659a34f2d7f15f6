"""From a task to a pin and its effect: the guard, its checks, who holds an actuator, and results."""
