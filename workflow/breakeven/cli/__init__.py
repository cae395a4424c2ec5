"""The command line: people's questions and the verbs that the workflow's rules call."""
