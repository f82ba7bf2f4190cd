"""Who asks, which merchant, which schema, which rights. Knows nothing of the business and could serve another one."""
