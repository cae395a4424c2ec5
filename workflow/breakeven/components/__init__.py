"""Parts that units share: exporting, graphs, input lengths, arithmetic, image networks, processes of a group."""
