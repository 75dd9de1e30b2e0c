"""From data sources to preference data: sources, trace log, rows and their export."""
