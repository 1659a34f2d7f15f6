"""The city's audit log among others: heads that it keeps and hands out, and its pages."""
