"""Charts as SVG and tables as HTML: values in, strings out. Pure; knows nothing of what the values mean.

Text is always escaped, and no style, script or handler is ever an attribute, so that pages can forbid them. How charts
look is in `look`, in classes and custom properties of CSS alone.
"""
