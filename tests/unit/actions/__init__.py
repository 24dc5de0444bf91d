"""Every sentence of the protocol on actions, as a test of its name."""
