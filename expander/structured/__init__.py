"""Format by construction: what a template asks of a reply, as a constraint that the endpoint decodes under."""
