"""A random forest grown from histograms of bin numbers: rows as bytes, one pass over them a level. No Dask here."""
