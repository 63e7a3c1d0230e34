"""What runs a network: one class an engine behind one small interface."""
