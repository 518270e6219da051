"""Who may do what: pure rules, the store of users, tokens, policies and the audit, and the hub behind both."""
