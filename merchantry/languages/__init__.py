"""What people read, in their own language."""
