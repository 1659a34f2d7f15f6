"""Tells people of alarms: CAP 1.2 messages, a durable outbox, webhooks and files, and whether anybody has answered."""
