"""The command line: verbs for people, and verbs that the workflow's rules call."""
