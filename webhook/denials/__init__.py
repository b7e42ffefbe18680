"""The denial log: one line for each review that was refused, warned about, audited or excused."""
