"""Previews of files: schema, statistics with small histograms, sample rows, thumbnails; and how two of them differ."""
