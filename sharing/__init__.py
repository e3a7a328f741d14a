"""The optional share service: stores 3D photos that were encrypted in the browser, for a while."""
