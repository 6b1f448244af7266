"""The drivers: one file and one class per kind of device, and the host that does everything else for them."""
