"""The report on a trained model: its values, its JSON, and one HTML file that needs nothing else."""
