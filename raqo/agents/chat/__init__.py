"""Asking chat models: one client, flow control, money, and answers that are kept."""
