"""What a served hub tells of itself and of its records."""
