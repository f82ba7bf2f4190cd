from hypothesis import settings

# A shared machine may pause at any moment; a property is about the result, not about its time.
settings.register_profile("merchantry", deadline=None)
settings.load_profile("merchantry")
