"""The pages, one module a noun. Each has `pages = Pages()`; `hub.web.site` finds them by that."""
