"""What any client may publish on effects/<type>, and what becomes of it."""
