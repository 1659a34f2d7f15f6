"""An actuator of a board file in the keys of its driver."""

from typing import Any

from .schema import Actuator


def actuator_config(actuator: Actuator, position: list[str]) -> dict[str, Any]:
    """Return an actuator in its driver's keys: output `open` is `open_pin`, input `open` `limit_open_pin`."""
    config: dict[str, Any] = {
        "name": actuator.name,
        "kind": actuator.kind,
        "lower": actuator.lower,
        "upper": actuator.upper,
        "safe": actuator.safe,
        "lease_ms": actuator.lease_ms,
        "travel_ms": actuator.travel_ms,
    }
    if actuator.bus:
        config |= {"bus": actuator.bus, "address": actuator.address}
    for key, output in actuator.outputs.items():
        config["pin" if key == "on" else f"{key}_pin"] = output.pin
        config["active_high"] = output.active_high
    for key, wire in actuator.inputs.items():
        config[f"limit_{key}_pin"] = wire.pin
        config["limit_pull"] = wire.pull
        config["limit_active_high"] = wire.active == "high"
    if position:
        config["position"] = position
    return {**config, **actuator.options}
