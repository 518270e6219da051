"""What exists: datasets, versions, their manifests, tags and lineage, and the database that holds them."""
