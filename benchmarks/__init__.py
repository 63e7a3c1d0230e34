"""Speed and accuracy as rows, and reports made from rows."""
